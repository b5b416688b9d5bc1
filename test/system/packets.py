# Tries a firewall: `listen` opens sockets and says on each line what arrived, `send HOST` sends one of each. Both take the same list on stdin-free
# arguments: udp/500 tcp/22 ip/50 …
import selectors, socket, sys, time

def parts(words):
    for word in words:
        kind, number = word.split('/')
        yield kind, int(number)

def family(host):
    return socket.AF_INET6 if ':' in host else socket.AF_INET

def listen(words):
    wait = selectors.DefaultSelector()
    for kind, number in parts(words):
        if kind == 'ip':
            s = socket.socket(socket.AF_INET, socket.SOCK_RAW, number)
        else:
            s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM if kind == 'udp' else socket.SOCK_STREAM)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind(('::', number))
            if kind == 'tcp':
                s.listen()
        wait.register(s, selectors.EVENT_READ, (kind, number))
    print('listening', flush=True)
    while True:
        for key, _ in wait.select():
            kind, number = key.data
            if kind == 'tcp':
                _, peer = key.fileobj.accept()
            else:
                _, peer = key.fileobj.recvfrom(65536)
            print(f'{kind}/{number} from {peer[0].removeprefix("::ffff:")}', flush=True)

def send(host, words):
    for kind, number in parts(words):
        try:
            if kind == 'ip':
                socket.socket(socket.AF_INET, socket.SOCK_RAW, number).sendto(bytes(16), (host, 0))
            elif kind == 'udp':
                socket.socket(family(host), socket.SOCK_DGRAM).sendto(b'x', (host, number))
            else:
                s = socket.socket(family(host), socket.SOCK_STREAM)
                s.settimeout(0.5)
                s.connect((host, number))
        except OSError as error:
            print(f'{kind}/{number}: {error}', flush=True)

def segment(number):
    # TCP_MAXSEG of an accepted connection is what the other end's SYN allowed, less 12 for timestamps.
    s = socket.create_server(('', number))
    print('listening', flush=True)
    connection, peer = s.accept()
    print(f'segment {connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG) + 12} from {peer[0]}', flush=True)

if sys.argv[1] == 'segment':
    segment(int(sys.argv[2]))
elif sys.argv[1] == 'listen':
    listen(sys.argv[2:])
else:
    send(sys.argv[2], sys.argv[3:])
    time.sleep(0.2)
