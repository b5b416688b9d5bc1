#!/bin/bash
# libreswan.sh up IPSEC.CONF IPSEC.SECRETS SECONDS | listen IPSEC.CONF IPSEC.SECRETS CONNECTION | credentials OWN.P12 AUTHORITY.PEM | down | kill
nss=sql:/var/lib/ipsec/nss
start() {
  pgrep -x pluto >/dev/null && return
  [ -e /var/lib/ipsec/nss/cert9.db ] || certutil -N -d $nss --empty-password || return 1
  cp "$1" /etc/ipsec.conf; cp "$2" /etc/ipsec.secrets; chmod 600 /etc/ipsec.secrets
  setsid /usr/libexec/ipsec/pluto --config /etc/ipsec.conf --nofork --stderrlog >/run/pluto.log 2>&1 </dev/null &
  for _ in {1..200}; do ipsec whack --status >/dev/null 2>&1 && return; sleep 0.05; done
  echo "pluto did not start"; cat /run/pluto.log; return 1
}
case $1 in
  up)
    cp "$2" /etc/ipsec.conf; cp "$3" /etc/ipsec.secrets; chmod 600 /etc/ipsec.secrets
    start "$2" "$3" || exit 10
    ipsec whack --listen >/dev/null
    ipsec whack --rereadsecrets >/dev/null
    ipsec auto --add l2tp || exit 10
    timeout "$4" ipsec auto --up l2tp
    ipsec whack --trafficstatus | grep -q '"l2tp"' || exit 11
    ;;
  # A connection that either side may begin.
  listen)
    start "$2" "$3" || exit 10
    ipsec whack --listen >/dev/null
    ipsec whack --rereadsecrets >/dev/null
    ipsec auto --add "$4" || exit 10
    ;;
  # pluto opens the database when it starts.
  credentials)
    pkill -9 -x pluto; rm -f /run/pluto/pluto.ctl /run/pluto/pluto.pid
    rm -rf /var/lib/ipsec/nss; mkdir -p /var/lib/ipsec/nss
    certutil -N -d $nss --empty-password || exit 10
    pk12util -i "$2" -d $nss -W lab -K '' || exit 10
    certutil -A -d $nss -n authority -t CT,C,C -i "$3" || exit 10
    ;;
  down)
    timeout 5 ipsec auto --down l2tp >/dev/null 2>&1
    timeout 5 ipsec auto --delete l2tp >/dev/null 2>&1
    ip xfrm state flush; ip xfrm policy flush
    ;;
  kill)
    pkill -9 -x pluto; rm -f /run/pluto/pluto.ctl /run/pluto/pluto.pid
    ip xfrm state flush; ip xfrm policy flush
    ;;
esac
exit 0
