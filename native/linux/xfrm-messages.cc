#include "linux/xfrm-messages.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <vector>

namespace gatehouse::os::xfrm {
namespace {

using crypto::Cipher;
using crypto::Integrity;

/// UDP_ENCAP_ESPINUDP (linux/udp.h clashes with the C library's header).
constexpr uint16_t espInUdp = 2;
/// A successor is asked for when three quarters of the numbers without ESN are used up.
constexpr uint64_t lowAt = uint64_t{3} << 30;
constexpr uint64_t lowAtEsn = uint64_t{3} << 62;
/// A move is told again after so many seconds if it goes on.
constexpr uint32_t mappingSeconds = 1;
constexpr uint32_t policyPriority = 1000;
/// Less is asked first: the more exact selector. By the upper half of the number they are known as ours.
constexpr uint32_t sitePriority = 0x0067'4000;
constexpr uint32_t beforeAll = 0x2000;
/// Between it and itself an SA is asked for that never comes (192.0.0.8, RFC 7600: nobody's). IKE knows where the peer is.
constexpr uint8_t nobody[4] = {192, 0, 0, 8};
constexpr uint32_t wholeMark = 0xFFFFFFFF;

uint16_t familyOf(const Address& address) { return address.isV4() ? AF_INET : AF_INET6; }

xfrm_address_t toKernel(const Address& address) {
  xfrm_address_t to{};
  std::memcpy(&to, address.octets.data(), address.length);
  return to;
}

Address fromKernel(const xfrm_address_t& from, uint16_t family) {
  return Address::from(reinterpret_cast<const uint8_t*>(&from), family == AF_INET ? 4 : 16);
}

template <typename T>
T named(const std::string& name, size_t keyOctets) {
  T value{};
  name.copy(value.alg_name, sizeof value.alg_name - 1);
  value.alg_key_len = static_cast<unsigned>(keyOctets * 8);
  return value;
}

void putAlgorithms(Message& to, const Sa& sa) {
  const crypto::Transform& transform = sa.transform;
  if (transform.cipher == Cipher::aesGcm) {
    auto aead = named<xfrm_algo_aead>(cipherName(transform), sa.cipherKey.size());
    aead.alg_icv_len = static_cast<unsigned>(transform.icvLength() * 8);
    to.pieces(XFRMA_ALG_AEAD, {octetsOf(aead), sa.cipherKey});
    return;
  }
  auto auth = named<xfrm_algo_auth>(integrityName(transform), sa.integrityKey.size());
  auth.alg_trunc_len = static_cast<unsigned>(transform.icvLength() * 8);
  to.pieces(XFRMA_ALG_AUTH_TRUNC, {octetsOf(auth), sa.integrityKey});
  const auto crypt = named<xfrm_algo>(cipherName(transform), sa.cipherKey.size());
  to.pieces(XFRMA_ALG_CRYPT, {octetsOf(crypt), sa.cipherKey});
}

// RFC 4303 §3.4.3. The kernel wants a window for an outbound SA as well, and keeps bits in words of 32.
void putReplay(Message& to, const Sa& sa) {
  const uint32_t window = sa.direction == Direction::in ? sa.replayWindow : 32;
  xfrm_replay_state_esn state{};
  state.bmp_len = (window + 31) / 32;
  state.replay_window = window;
  state.oseq = static_cast<uint32_t>(sa.sequence);
  state.oseq_hi = sa.transform.esn ? static_cast<uint32_t>(sa.sequence >> 32) : 0;
  const std::vector<uint8_t> bits(state.bmp_len * size_t{4});
  to.pieces(XFRMA_REPLAY_ESN_VAL, {octetsOf(state), bits});
}

void putEncapsulation(Message& to, const Sa& sa) {
  xfrm_encap_tmpl encap{};
  const Endpoint& from = sa.direction == Direction::in ? sa.path.remote : sa.path.local;
  const Endpoint& there = sa.direction == Direction::in ? sa.path.local : sa.path.remote;
  encap.encap_type = espInUdp;
  encap.encap_sport = htons(from.port);
  encap.encap_dport = htons(there.port);
  to.attribute(XFRMA_ENCAP, encap);
  if (sa.direction == Direction::in) to.attribute(XFRMA_MTIMER_THRESH, mappingSeconds);
}

/// `outgoing`: from our side to the other.
xfrm_selector selectorOf(const Selector& from, bool outgoing) {
  xfrm_selector to{};
  to.family = familyOf(from.local.address);
  to.saddr = toKernel((outgoing ? from.local : from.remote).address);
  to.daddr = toKernel((outgoing ? from.remote : from.local).address);
  to.prefixlen_s = (outgoing ? from.local : from.remote).prefix;
  to.prefixlen_d = (outgoing ? from.remote : from.local).prefix;
  to.proto = from.protocol;
  const uint16_t source = outgoing ? from.localPort : from.remotePort;
  const uint16_t destination = outgoing ? from.remotePort : from.localPort;
  to.sport = htons(source);
  to.dport = htons(destination);
  to.sport_mask = source == 0 ? 0 : 0xFFFF;
  to.dport_mask = destination == 0 ? 0 : 0xFFFF;
  return to;
}

uint8_t directionOf(SitePolicy::Way way) {
  switch (way) {
    case SitePolicy::Way::out: return XFRM_POLICY_OUT;
    case SitePolicy::Way::in: return XFRM_POLICY_IN;
    case SitePolicy::Way::forward: return XFRM_POLICY_FWD;
  }
  return XFRM_POLICY_OUT;
}

xfrm_usersa_info infoOf(const Sa& sa) {
  const bool in = sa.direction == Direction::in;
  xfrm_usersa_info info{};
  info.family = familyOf(sa.path.local.address);
  info.sel.family = info.family;
  // RFC 4301 §5.2: what comes out must be what the SA is for, whatever a policy would let through. L2TP's is UDP.
  if (sa.selector) {
    info.sel = selectorOf(*sa.selector, !in);
  } else if (in) {
    info.sel.proto = IPPROTO_UDP;
  }
  info.saddr = toKernel(in ? sa.path.remote.address : sa.path.local.address);
  info.id.daddr = toKernel(in ? sa.path.local.address : sa.path.remote.address);
  info.id.spi = htonl(sa.spi);
  info.id.proto = IPPROTO_ESP;
  info.mode = sa.tunnelMode ? XFRM_MODE_TUNNEL : XFRM_MODE_TRANSPORT;
  info.reqid = sa.reqid;
  if (sa.transform.esn) info.flags |= XFRM_STATE_ESN;
  info.lft.soft_byte_limit = info.lft.hard_byte_limit = XFRM_INF;
  info.lft.hard_packet_limit = info.lft.soft_packet_limit = XFRM_INF;
  const uint64_t low = sa.transform.esn ? lowAtEsn : lowAt;
  // Packets are counted from zero, numbers from where another SA left off.
  if (!in) info.lft.soft_packet_limit = low > sa.sequence ? low - sa.sequence : 1;
  return info;
}

xfrm_selector selectorOf(const Address& local, const Address& remote) {
  xfrm_selector selector{};
  selector.family = familyOf(remote);
  selector.saddr = toKernel(local);
  selector.daddr = toKernel(remote);
  selector.prefixlen_s = selector.prefixlen_d = static_cast<uint8_t>(remote.length * 8);
  selector.proto = IPPROTO_UDP;
  return selector;
}

xfrm_usersa_id idOf(const Address& destination, uint32_t spi) {
  xfrm_usersa_id id{};
  id.daddr = toKernel(destination);
  id.spi = htonl(spi);
  id.family = familyOf(destination);
  id.proto = IPPROTO_ESP;
  return id;
}

Message aboutSa(uint16_t type, const Address& destination, uint32_t spi, uint32_t mark) {
  Message message(type, NLM_F_REQUEST | NLM_F_ACK);
  message.put(idOf(destination, spi));
  if (mark != 0) message.attribute(XFRMA_MARK, xfrm_mark{mark, wholeMark});
  return message;
}

}  // namespace

std::string cipherName(const crypto::Transform& transform) {
  switch (transform.cipher) {
    case Cipher::null: return "ecb(cipher_null)";
    case Cipher::desCbc: return "cbc(des)";
    case Cipher::tripleDesCbc: return "cbc(des3_ede)";
    case Cipher::aesCbc: return "cbc(aes)";
    case Cipher::aesGcm: return "rfc4106(gcm(aes))";
  }
  return {};
}

std::string integrityName(const crypto::Transform& transform) {
  switch (transform.integrity) {
    case Integrity::hmacMd5_96: return "hmac(md5)";
    case Integrity::hmacSha1_96: return "hmac(sha1)";
    case Integrity::hmacSha256_128:
    case Integrity::hmacSha256_96: return "hmac(sha256)";
    case Integrity::hmacSha384_192: return "hmac(sha384)";
    case Integrity::hmacSha512_256: return "hmac(sha512)";
    case Integrity::none: break;
  }
  return {};
}

Message addSa(const Sa& sa, bool update) {
  const uint16_t flags = NLM_F_REQUEST | NLM_F_ACK | (update ? NLM_F_REPLACE : NLM_F_CREATE | NLM_F_EXCL);
  Message message(update ? XFRM_MSG_UPDSA : XFRM_MSG_NEWSA, flags);
  message.put(infoOf(sa));
  putAlgorithms(message, sa);
  putReplay(message, sa);
  if (sa.encapsulated) putEncapsulation(message, sa);
  if (sa.direction == Direction::in) {
    // Tells of the first authentic packet; see silence().
    message.attribute(XFRMA_REPLAY_THRESH, uint32_t{1});
    message.attribute(XFRMA_SET_MARK, sa.mark).attribute(XFRMA_SET_MARK_MASK, wholeMark);
  } else {
    message.attribute(XFRMA_REPLAY_THRESH, uint32_t{0});
    if (!sa.selector) message.attribute(XFRMA_MARK, xfrm_mark{sa.mark, wholeMark});
    // Sealed packets are nobody's: the mark ends here.
    message.attribute(XFRMA_SET_MARK, uint32_t{0}).attribute(XFRMA_SET_MARK_MASK, wholeMark);
  }
  message.attribute(XFRMA_ETIMER_THRESH, uint32_t{0});
  if (sa.offloadDevice != 0) {
    xfrm_user_offload offload{};
    offload.ifindex = sa.offloadDevice;
    if (sa.direction == Direction::in) offload.flags |= XFRM_OFFLOAD_INBOUND;
    if (sa.offloadPacket) offload.flags |= XFRM_OFFLOAD_PACKET;
    message.attribute(XFRMA_OFFLOAD_DEV, offload);
  }
  return message;
}

Message removeSa(const Address& destination, uint32_t spi, uint32_t mark) {
  return aboutSa(XFRM_MSG_DELSA, destination, spi, mark);
}

Message getSa(const Address& destination, uint32_t spi, uint32_t mark) {
  return aboutSa(XFRM_MSG_GETSA, destination, spi, mark);
}

Message dumpSas() { return {XFRM_MSG_GETSA, NLM_F_REQUEST | NLM_F_DUMP}; }

Message setPolicy(const Address& local, const Address& remote, uint32_t mark, uint32_t reqid, uint32_t spi) {
  Message message(XFRM_MSG_UPDPOLICY, NLM_F_REQUEST | NLM_F_ACK);
  xfrm_userpolicy_info info{};
  info.sel = selectorOf(local, remote);
  info.lft.soft_byte_limit = info.lft.hard_byte_limit = XFRM_INF;
  info.lft.soft_packet_limit = info.lft.hard_packet_limit = XFRM_INF;
  info.priority = policyPriority;
  info.dir = XFRM_POLICY_OUT;
  info.action = spi == 0 ? XFRM_POLICY_BLOCK : XFRM_POLICY_ALLOW;
  message.put(info);
  if (spi != 0) {
    xfrm_user_tmpl wanted{};
    wanted.id.daddr = toKernel(remote);
    wanted.id.spi = htonl(spi);
    wanted.id.proto = IPPROTO_ESP;
    wanted.saddr = toKernel(local);
    wanted.family = familyOf(remote);
    wanted.reqid = reqid;
    wanted.mode = XFRM_MODE_TRANSPORT;
    wanted.aalgos = wanted.ealgos = wanted.calgos = 0xFFFFFFFF;
    message.attribute(XFRMA_TMPL, wanted);
  }
  message.attribute(XFRMA_MARK, xfrm_mark{mark, wholeMark});
  return message;
}

Message removePolicy(const Address& local, const Address& remote, uint32_t mark) {
  Message message(XFRM_MSG_DELPOLICY, NLM_F_REQUEST | NLM_F_ACK);
  xfrm_userpolicy_id id{};
  id.sel = selectorOf(local, remote);
  id.dir = XFRM_POLICY_OUT;
  message.put(id).attribute(XFRMA_MARK, xfrm_mark{mark, wholeMark});
  return message;
}

uint32_t exactness(const Selector& one) {
  const uint32_t more =
      (one.protocol != 0 ? 1U : 0U) + (one.localPort != 0 ? 1U : 0U) + (one.remotePort != 0 ? 1U : 0U);
  return (uint32_t{one.local.prefix} + one.remote.prefix) * 4 + more;
}

Message setSitePolicy(const SitePolicy& policy) {
  using Action = SitePolicy::Action;
  const bool out = policy.way == SitePolicy::Way::out;
  Message message(XFRM_MSG_UPDPOLICY, NLM_F_REQUEST | NLM_F_ACK);
  xfrm_userpolicy_info info{};
  info.sel = selectorOf(policy.selector, out);
  info.lft.soft_byte_limit = info.lft.hard_byte_limit = XFRM_INF;
  info.lft.soft_packet_limit = info.lft.hard_packet_limit = XFRM_INF;
  info.priority = sitePriority - (policy.action == Action::pass ? beforeAll : exactness(policy.selector));
  info.dir = directionOf(policy.way);
  info.action = policy.action == Action::block ? XFRM_POLICY_BLOCK : XFRM_POLICY_ALLOW;
  message.put(info);
  if (policy.action == Action::block || policy.action == Action::pass) return message;
  xfrm_user_tmpl wanted{};
  wanted.id.proto = IPPROTO_ESP;
  wanted.family = info.sel.family;
  wanted.mode = policy.transport ? XFRM_MODE_TRANSPORT : XFRM_MODE_TUNNEL;
  wanted.aalgos = wanted.ealgos = wanted.calgos = 0xFFFFFFFF;
  wanted.reqid = policy.reqid;
  if (out && policy.action == Action::protect) {
    wanted.id.daddr = toKernel(policy.remote);
    wanted.saddr = toKernel(policy.local);
    wanted.id.spi = htonl(policy.spi);
    wanted.family = familyOf(policy.remote);
  } else if (out && !policy.transport) {
    wanted.id.daddr = wanted.saddr = toKernel(Address::from(nobody, sizeof nobody));
    wanted.family = AF_INET;
  }
  message.attribute(XFRMA_TMPL, wanted);
  return message;
}

Message removeSitePolicy(const Selector& selector, SitePolicy::Way way) {
  Message message(XFRM_MSG_DELPOLICY, NLM_F_REQUEST | NLM_F_ACK);
  xfrm_userpolicy_id id{};
  id.sel = selectorOf(selector, way == SitePolicy::Way::out);
  id.dir = directionOf(way);
  message.put(id);
  return message;
}

std::optional<SitePolicy> readSitePolicy(const Received& message) {
  constexpr size_t head = sizeof(xfrm_userpolicy_info);
  if (message.type != XFRM_MSG_NEWPOLICY || message.body.size() < head) return std::nullopt;
  const auto info = message.head<xfrm_userpolicy_info>();
  if (info.priority >> 16 != sitePriority >> 16 || info.dir > XFRM_POLICY_FWD) return std::nullopt;
  const bool out = info.dir == XFRM_POLICY_OUT;
  const xfrm_selector& sel = info.sel;
  const pipeline::Network source{fromKernel(sel.saddr, sel.family), sel.prefixlen_s};
  const pipeline::Network destination{fromKernel(sel.daddr, sel.family), sel.prefixlen_d};
  SitePolicy policy;
  policy.selector = {out ? source : destination, out ? destination : source, sel.proto,
                     ntohs(out ? sel.sport : sel.dport), ntohs(out ? sel.dport : sel.sport)};
  policy.way = out ? SitePolicy::Way::out : info.dir == XFRM_POLICY_IN ? SitePolicy::Way::in : SitePolicy::Way::forward;
  policy.spi = ntohl(valueOf<xfrm_user_tmpl>(message.attribute(head, XFRMA_TMPL)).id.spi);
  return policy;
}

Message dumpPolicies() { return {XFRM_MSG_GETPOLICY, NLM_F_REQUEST | NLM_F_DUMP}; }

Message silence(const Address& destination, uint32_t spi, uint32_t mark, uint32_t reqid) {
  Message message(XFRM_MSG_NEWAE, NLM_F_REQUEST | NLM_F_ACK | NLM_F_REPLACE);
  xfrm_aevent_id id{};
  id.sa_id = idOf(destination, spi);
  id.reqid = reqid;
  message.put(id).attribute(XFRMA_REPLAY_THRESH, uint32_t{0});
  if (mark != 0) message.attribute(XFRMA_MARK, xfrm_mark{mark, wholeMark});
  return message;
}

std::optional<Kept> readSa(const Received& message) {
  constexpr size_t head = sizeof(xfrm_usersa_info);
  if (message.type != XFRM_MSG_NEWSA || message.body.size() < head) return std::nullopt;
  const auto info = message.head<xfrm_usersa_info>();
  Kept kept;
  kept.destination = fromKernel(info.id.daddr, info.family);
  kept.source = fromKernel(info.saddr, info.family);
  kept.spi = ntohl(info.id.spi);
  kept.reqid = info.reqid;
  kept.octets = info.curlft.bytes;
  kept.packets = info.curlft.packets;
  kept.replayed = info.stats.replay + info.stats.replay_window;
  kept.forged = info.stats.integrity_failed;
  const uint32_t set = valueOf<uint32_t>(message.attribute(head, XFRMA_SET_MARK));
  kept.key = valueOf<xfrm_mark>(message.attribute(head, XFRMA_MARK)).v;
  kept.direction = set != 0 ? Direction::in : Direction::out;
  const auto replay = valueOf<xfrm_replay_state_esn>(message.attribute(head, XFRMA_REPLAY_ESN_VAL));
  kept.sequence = static_cast<uint64_t>(replay.oseq_hi) << 32 | replay.oseq;
  kept.offloaded = !message.attribute(head, XFRMA_OFFLOAD_DEV).empty();
  return kept;
}

std::pair<std::span<const uint8_t>, std::span<const uint8_t>> readKeys(const Received& message) {
  constexpr size_t head = sizeof(xfrm_usersa_info);
  const auto behind = [&](uint16_t type, size_t fixed, uint32_t bits) -> std::span<const uint8_t> {
    const auto content = message.attribute(head, type);
    const size_t length = bits / 8;
    return content.size() < fixed + length ? std::span<const uint8_t>{} : content.subspan(fixed, length);
  };
  const auto aead = valueOf<xfrm_algo_aead>(message.attribute(head, XFRMA_ALG_AEAD));
  if (aead.alg_key_len != 0) return {behind(XFRMA_ALG_AEAD, sizeof aead, aead.alg_key_len), {}};
  const auto crypt = valueOf<xfrm_algo>(message.attribute(head, XFRMA_ALG_CRYPT));
  const auto auth = valueOf<xfrm_algo_auth>(message.attribute(head, XFRMA_ALG_AUTH_TRUNC));
  return {behind(XFRMA_ALG_CRYPT, sizeof crypt, crypt.alg_key_len),
          behind(XFRMA_ALG_AUTH_TRUNC, sizeof auth, auth.alg_key_len)};
}

std::optional<KeptPolicy> readPolicy(const Received& message) {
  constexpr size_t head = sizeof(xfrm_userpolicy_info);
  if (message.type != XFRM_MSG_NEWPOLICY || message.body.size() < head) return std::nullopt;
  const auto info = message.head<xfrm_userpolicy_info>();
  const uint32_t mark = valueOf<xfrm_mark>(message.attribute(head, XFRMA_MARK)).v;
  const auto wanted = valueOf<xfrm_user_tmpl>(message.attribute(head, XFRMA_TMPL));
  return KeptPolicy{fromKernel(info.sel.saddr, info.sel.family), fromKernel(info.sel.daddr, info.sel.family), mark,
                    ntohl(wanted.id.spi)};
}

std::optional<Used> readUsed(const Received& message) {
  if (message.type != XFRM_MSG_NEWAE || message.body.size() < sizeof(xfrm_aevent_id)) return std::nullopt;
  const auto id = message.head<xfrm_aevent_id>();
  // silence() is told of as well.
  if ((id.flags & XFRM_AE_CU) != 0) return std::nullopt;
  return Used{fromKernel(id.sa_id.daddr, id.sa_id.family), ntohl(id.sa_id.spi), id.reqid};
}

std::optional<Mapping> readMapping(const Received& message) {
  if (message.type != XFRM_MSG_MAPPING || message.body.size() < sizeof(xfrm_user_mapping)) return std::nullopt;
  const auto mapping = message.head<xfrm_user_mapping>();
  return Mapping{ntohl(mapping.id.spi), {fromKernel(mapping.new_saddr, mapping.id.family), ntohs(mapping.new_sport)}};
}

std::optional<Acquire> readAcquire(const Received& message) {
  if (message.type != XFRM_MSG_ACQUIRE || message.body.size() < sizeof(xfrm_user_acquire)) return std::nullopt;
  const auto sel = message.head<xfrm_user_acquire>().sel;
  // Of ICMP the kernel says type and code there.
  const bool ports = sel.proto == IPPROTO_TCP || sel.proto == IPPROTO_UDP;
  return Acquire{{fromKernel(sel.saddr, sel.family), ports ? ntohs(sel.sport) : uint16_t{0}},
                 {fromKernel(sel.daddr, sel.family), ports ? ntohs(sel.dport) : uint16_t{0}},
                 sel.proto};
}

std::optional<Expired> readExpired(const Received& message) {
  if (message.type != XFRM_MSG_EXPIRE || message.body.size() < sizeof(xfrm_user_expire)) return std::nullopt;
  const auto info = message.head<xfrm_user_expire>().state;
  return Expired{fromKernel(info.id.daddr, info.family), ntohl(info.id.spi), info.reqid};
}

}  // namespace gatehouse::os::xfrm
