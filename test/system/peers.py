# Servers that say what they were asked: syslog by UDP and TCP, NTP; and a program that logs a line as journald hands it on.
import socket, struct, sys, time

def udp(port):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(('', port))
    print('listening', flush=True)
    return s

what = sys.argv[1]
if what == 'syslog-udp':
    s = udp(int(sys.argv[2]))
    while True:
        print(s.recv(65536).decode(), flush=True)
elif what == 'syslog-tcp':
    s = socket.create_server(('', int(sys.argv[2])))
    print('listening', flush=True)
    connection, _ = s.accept()
    stream = connection.makefile('rb')
    while True:
        # RFC 6587 §3.4.1: the length, a space, so many octets; a length that is none ends us.
        length = b''
        while (octet := stream.read(1)) != b' ':
            length += octet
        print(stream.read(int(length)).decode(), flush=True)
elif what == 'ntp':
    # RFC 5905 §7.3: leap 0, version 4, mode 4, stratum 2.
    s = udp(123)
    while True:
        octets, peer = s.recvfrom(1024)
        print(f'asked by {peer[0]}', flush=True)
        now = struct.pack('!Q', int((time.time() + 2_208_988_800) * 2**32))
        s.sendto(struct.pack('!BBbb', 0x24, 2, 6, -20) + bytes(8) + b'TEST' + now + octets[40:48] + now + now, peer)
elif what == 'log':
    socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(sys.argv[3].encode(), sys.argv[2])
