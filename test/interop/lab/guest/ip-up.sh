#!/bin/bash
# pppd runs this when IPCP is open (pppd(8)): notes the session, and routes what lies behind the gateway through it.
ip link set "$1" txqueuelen 1000
for net in 10.1.0.0/24 198.51.100.7/32; do ip route replace "$net" dev "$1" src "$4" rto_min 2s; done
echo "$1 $4 $5 ${DNS1:--} ${DNS2:--}" >"/run/ppp-up.new" && mv /run/ppp-up.new /run/ppp-up
