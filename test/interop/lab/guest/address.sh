#!/bin/bash
# address.sh ADDRESS/LEN [GATEWAY]: gives the guest's interface this address and no other.
ip -4 address flush dev vec0
[ -n "$1" ] && ip address add "$1" dev vec0
[ -n "$2" ] && ip route replace default via "$2"
ip neighbour flush dev vec0
exit 0
