#!/bin/bash
# strongswan.sh up SWANCTL.CONF SECONDS | listen SWANCTL.CONF | down | kill
# charon starts with the plugins that are needed and no others (all of them take five seconds) and stays.
export STRONGSWAN_CONF=/lab/strongswan.conf
vici=unix:///run/charon.vici
start() {
  pgrep -x charon-systemd >/dev/null && return
  setsid charon-systemd >/run/charon.out 2>&1 </dev/null &
  for _ in {1..200}; do swanctl --stats --uri $vici >/dev/null 2>&1 && return; sleep 0.05; done
  echo "charon did not start"; cat /run/charon.out /run/charon.log; return 1
}
case $1 in
  up)
    start || exit 10
    : >/run/charon.log
    cp "$2" /etc/swanctl/swanctl.conf
    swanctl --load-all --clear --noprompt --uri $vici >/run/load.out 2>&1 || { cat /run/load.out; exit 10; }
    swanctl --initiate --child l2tp --timeout "$3" --loglevel 1 --uri $vici || exit 11
    ;;
  listen)
    start || exit 10
    cp "$2" /etc/swanctl/swanctl.conf
    swanctl --load-all --clear --noprompt --uri $vici
    ;;
  down)
    swanctl --terminate --ike lab --timeout 3 --uri $vici >/dev/null 2>&1 ||
      swanctl --terminate --ike lab --force --uri $vici >/dev/null 2>&1
    ip xfrm state flush; ip xfrm policy flush
    ;;
  kill)
    pkill -9 -x charon-systemd; rm -f /run/charon.vici /run/charon.pid
    ip xfrm state flush; ip xfrm policy flush
    ;;
esac
exit 0
