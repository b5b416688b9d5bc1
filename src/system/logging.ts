// Logs in memory, so that flash isn't worn, within bounds; and to a server, if one is named, by rsyslog.
import type { SystemEntry } from '../config/configuration.ts'
import { ini, made, type SystemFile } from './file.ts'

export const rsyslogFile = '/etc/gatehouse/rsyslog.conf'

/** Memory that the journal may take; a line a login, weeks of them. */
const journalMegabytes = 16

export function loggingFiles({ syslog }: SystemEntry): SystemFile[] {
  const journal = ini([
    [
      'Journal',
      {
        Storage: 'volatile',
        RuntimeMaxUse: `${journalMegabytes}M`,
        RuntimeMaxFileSize: '2M',
        // One noisy service takes its own turn, not the others'.
        RateLimitIntervalSec: '30s',
        RateLimitBurst: 2000,
        ForwardToSyslog: syslog ? 'yes' : 'no',
        ForwardToConsole: 'no',
        ForwardToWall: 'no',
      },
    ],
  ])
  return [
    made('journal', '/etc/systemd/journald.conf.d/50-gatehouse.conf', journal),
    made('syslog', rsyslogFile, syslog && rsyslog(syslog)),
  ]
}

/**
 * RFC 5424 over UDP (RFC 5426) or over TCP with octet counting (RFC 6587 §3.4.1). A server that is away costs 10,000 lines of memory at most; then
 * the oldest are lost, and nothing waits.
 */
function rsyslog({ server, port, protocol }: NonNullable<SystemEntry['syslog']>): string {
  const framing = protocol === 'tcp' ? ' TCP_Framing="octet-counted" KeepAlive="on"' : ''
  return `global(workDirectory="/run/gatehouse-syslog" net.enableDNS="off" maxMessageSize="8k")
module(load="imuxsock" SysSock.Name="/run/systemd/journal/syslog")
template(name="rfc5424" type="string" string="<%PRI%>1 %TIMESTAMP:::date-rfc3339% %HOSTNAME% %APP-NAME% %PROCID% %MSGID% -%msg:::sp-if-no-1st-sp%%msg:::drop-last-lf%")
action(type="omfwd" target="${server}" port="${port}" protocol="${protocol}"${framing} template="rfc5424"
  queue.type="LinkedList" queue.size="10000" queue.timeoutEnqueue="0" action.resumeRetryCount="-1" action.resumeInterval="10")
`
}
