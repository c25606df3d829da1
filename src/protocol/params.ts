/**
 * Every number of the protocol: unit, reason, and what breaks when it is larger or smaller. Relations between them are
 * asserted at load. Nothing here is read from the network.
 */
import { assert } from '#base/assert.ts'

export const wireVersion = 1

/** 192 KiB: one frame on a control stream. Larger lets one peer hold that much of our memory; smaller splits packs more often. */
export const messageBytesMax = 196_608

/** 2 MiB: a whole pack of metadata in parts (about 7,000 bundles). A laggard's answer never needs more. */
export const packBytesMax = 2_097_152

/** 32 KiB: what may be announced by gossip (trust.md §4). Gossip is pushed several times per member, so larger costs the line. */
export const announcementBytesMax = 32_768

/** 10 s from link to mutual admission, as a slow line and a busy origin need; a stranger holds a place that long. */
export const admissionMs = 10_000

/** 256 chunks, about 8 MiB, in one ask. */
export const runChunksMax = 256

/** 32 KiB: what an ask may tell of older bytes, so that chunks come as their difference to those (`content/patch.ts`). */
export const sketchBytesMax = 32_768

/** 8 own addresses in a hello, 64 members in a roster message: a machine has few interfaces, a site is told in parts. */
export const addressesMax = 8
export const rosterMax = 64
/** 2,000 members of the own site are remembered; the rest is met when they speak. */
export const rosterKnownMax = 2_000

/** Addresses of other sites that are dialled at once: with one, the first that swallows a dial would keep us from the others for 5 s. */
export const outsideDialsMax = 4

/** Relays of other sites that the origin names to one that trades; and links to them that it seeks, and accepts. Each costs the line some idle words. */
export const tradersMax = 32
export const tradeLinksWanted = 6
export const tradeLinksMax = 16
/** The origin tells traders of each other in batches: a fleet starts at once. */
export const tradeTellMs = 200
/** As `redialMs`, but most sites cannot be reached from outside, and each try costs the line. */
export const tradeRedialMs = 2_000
export const tradeRedialMsMax = 600_000
/** A trader that was asked and brings nothing for this long: its chunks are asked of others. */
export const slowTraderMs = 20_000
/** What the line brings is measured over this; a little less than the most it ever brought, and it is taken to be full. */
export const drawWindowMs = 1_000
/** While a site trades, its line is looked at this often: is there room to ask the origin for more than our share? */
export const drawLookMs = 500

/** Links to neighbours of the own site that a member seeks. With 8, and as many that others seek, a site of 200 still hands a chunk through in two steps. */
export const siteLinksWanted = 8
/** Of these a few at once, and one more each second: the handshakes of a site of twenty that starts in one second took ten seconds of two cores. */
export const siteLinksSoon = 4
export const siteLinkMs = 1_000
/** Who acts is told on over so many neighbours, and so many of them: a site of 2,000 is four wide, and few act. */
export const actingHopsMax = 6
export const actingToldMax = 8
/** What neighbours tell of others is passed on in batches. */
export const actingTellMs = 100
/** More than this many are not accepted from others, at a relay more; the surplus is told `full`. */
export const siteLinksMax = 64
export const siteLinksMaxRelay = 512

/** After its own first LAN query a member listens 300-800 ms before it may go outside (protocol.md §5.4). */
export const settleMsMin = 300
export const settleMsMax = 800
/** Volunteers wait up to this long more, so that the first one silences the others. */
export const volunteerMsMax = 400
/** Who runs on battery or by radio waits this much longer: a second for a fit one to be heard. */
export const volunteerUnfitMs = 1_000
/** 1 h without a newer timestamp, of which the origin signs four: a member looks outside itself about once in that time, whoever else says it does. */
export const newslessMs = 3_600_000
/** An uplink member without a link outside for this long stops suppressing the others. */
export const reachMs = 15_000
/** A volunteer that found nobody outside waits this long, doubling to `redialMsMax` a member, at most to the maximum, before it tries again. */
export const volunteerAgainMs = 15_000
export const volunteerAgainMsMax = 600_000

/** First pause after a failed dial, doubling to the maximum; 60 s keeps a returned origin unnoticed for a minute at most. */
export const redialMs = 1_000
export const redialMsMax = 60_000
/** The lower peer id dials; the other waits this long before it dials all the same, in case the first cannot. */
export const politeDialMs = 1_500

/** LAN queries repeat while a member has no neighbour: 1 s, doubling to a minute. */
export const queryMs = 1_000
export const queryMsMax = 60_000

/** One random neighbour is asked for its head at this interval, doubling to the maximum while nothing changes (protocol.md §3). */
export const reconcileMs = 30_000
export const reconcileMsMax = 1_800_000
/** News are also sent straight to neighbours that are linked for less than this: gossip may not know them yet (seen with gossipsub 17.1.1). */
export const gossipLiveMs = 10_000
/** After a link was made its gossip takes some heartbeats to be live; what was announced meanwhile is caught up within this. */
export const reconcileSoonMs = 5_000

/** A pack that was asked for and did not come within this is asked from another. */
export const packMs = 10_000

/** A neighbour whose packs do not bring us up to date is asked again no earlier than this; nor is one answered twice within it without news. */
export const askAgainMs = 1_000

/** Chunks that came are told to subscribers at most this often: 20 messages a second per content at worst. */
export const haveMs = 50
/** With more subscribers than this, three times as rarely: each message costs every one of them time. */
export const haveSubscribersFew = 6

/** While more than this is missing, chunks are told so many at once, or after this long: a site of 20 on 8 Mbit/s sent 800 messages a member for 512 chunks. */
export const newsBatchMissing = 64
export const newsBatch = 32
export const newsBatchMs = 1_000
/** Chunks that came over the line are told to this many neighbours first, and to the rest this much later (news.ts): few copies leave the uplink member. */
export const newsFirst = 3
export const newsLaterMs = 400

/** 8 chunks: the part of a content that one uplink member fetches (duty.ts). Smaller parts make shorter asks, larger ones share unevenly. */
export const dutyChunks = 8
/** An acting uplink member that brings nothing and says nothing for this long, while something is missing, is passed over. A needless change costs one connection. */
export const dutyMs = 8_000
/** What is missing is looked over this often, while somebody else acts for us. */
export const hungerMs = 1_000
/** A lease holds three times as long as its bytes need at the measured rate, within these bounds; the start value where no rate is known. */
export const leaseMsMin = 6_000
export const leaseMsStart = 15_000
export const leaseMsMax = 60_000
/** Leases are renewed this often while bytes arrive. */
export const leaseWordMs = 2_000
/** Of so many contents, the most urgent ones. */
export const leaseContentsMax = 16
/** Whoever only renews and brings nothing is believed this long: a package for others may be before ours in its queue. */
export const leasePatienceMs = 120_000
/** What is on its way when an uplink member steps down is waited for this long. */
export const drainMs = 10_000
/** So many neighbours that say so, and at least half of them, and an uplink member takes it that it serves wrong bytes: it leaves the line to others for `banMs`. */
export const accusersMin = 2

/** A neighbour of our site that was asked and brings nothing for this long: its chunks are asked of others as well (endgame, LAN only). */
export const slowLanMs = 3_000
/** Who hands nothing on for this long though it is asked fetches nothing over the line: it would not reach its site. */
export const stuckMs = 1_500
/** As long as somebody asked within this: neighbours pause between asks. */
export const stuckAskedMs = 30_000
/** The same for an ask that takes longer than this however it trickles: two runs before it at 35 kB/s. Shorter would give up on a weak radio link. */
export const slowAskMs = 60_000

/** Bytes asked for and not yet here, per link: what its rate carries in its delay and this much longer, within the bounds. */
export const creditWindowMs = 250
export const lanCreditMs = 100
export const lanCreditBytesMin = 1_048_576
/** 4 MiB keep 1 Gbit/s busy over 30 ms. */
export const lanCreditBytesMax = 4_194_304
/** On a line, so that control traffic never waits long behind bulk. One chunk is always asked for. */
export const wanCreditMs = 60
export const wanCreditBytesMin = 32_768
export const wanCreditBytesStart = 65_536
export const wanCreditBytesMax = 2_097_152
/** Where a polite transfer finds more delay than this added to the line, it yields: the target of LEDBAT++ (100 ms in RFC 6817). It adds half by itself. */
export const politeMs = 60
/** After so long under load nothing is asked until all is here, so that the delay of the empty line is seen again. Costs one round trip in 30 s. */
export const probeMs = 30_000
/** The least of so many looks at the empty line counts in the polite mode: somebody else's queue must not pass for the line (RFC 6817 §3.4.2). */
export const probesKept = 6
/** What a byte takes on a line with TLS, TCP and IP around it: 1.046 in a plain copy, 1.057 in small asks within a budget (test bed). */
export const lineOverhead = 1.06
/** A budget lets no more than this pass at once: a quarter of a second's bytes, or two chunks; and asks for no less than a step. */
export const budgetBurstMs = 250
export const budgetBurstBytes = 65_536
export const budgetStepMs = 50
export const budgetStepBytes = 32_768
/** Asks that wait for the upload budget; more are denied, and asked again 2 s later. One asks for at most 8 MiB, and holds some 200 bytes here. */
export const asksHeldMax = 1_000
export const asksHeldPerLinkMax = 64

/** One ask on the LAN; longer runs save messages, shorter ones spread the load over more neighbours. */
export const lanRunBytes = 1_048_576
/** On a line with a long way more is asked for once there is room for two chunks: waiting for a quarter of the credit leaves such a line idle. */
export const wanRunBytes = 65_536

/** Three wrong or broken answers and a peer is banned for a while; strikes decay one per this time (protocol.md §9). */
export const strikesMax = 3
export const banMs = 300_000

/** A neighbour that denied, failed or spoiled an ask is left alone this long, then asked anew what it has. */
export const pauseMs = 2_000
/** One that brings nothing again and again is asked ever more rarely, at most after this. */
export const stallPauseMsMax = 60_000

/** A content that could not be opened, such as on a full disk, is tried again after this long. */
export const openAgainMs = 30_000

/** Members with a strike that are remembered; the oldest is forgotten. */
export const strikesKnownMax = 1_000

/** Contents a neighbour may subscribe to, and that we remember of one neighbour. */
export const contentsPerLinkMax = 4_096
/** Runs of new chunks in one message; more are told as a bitmap. */
export const runsPerMessageMax = 4_096
/** Chunks of one content, about 32 GiB at 32 KiB. */
export const chunksMax = 1_048_576

/** Reports travel at once on the LAN, batched on a line; resent when no receipt came. */
export const reportBatchMs = 500
export const reportLanMs = 50
export const reportAgainMs = 30_000
export const reportAgainMsMax = 600_000
/** 10,000 reports of others are carried at once, and 48 MiB: the outbox holds 64. Whoever brings more is not heard until some are gone. */
export const reportsCarriedMax = 10_000
export const reportsCarriedBytesMax = 50_331_648
/** Of which one member may bring 2,000 or 12 MiB, so that none keeps the others' out. What an uplink member hands over comes in parts then. */
export const reportsPerBringerMax = 2_000
export const reportsPerBringerBytesMax = 12_582_912
/** Reports sent on a link and not receipted: two batches, or a day's reports of a site would congest the line; after 5 s they count as lost. */
export const reportFlightBytes = 262_144
export const reportFlightMs = 5_000
/** Sealed reports in one message: 16 of the common 4 KiB class. */
export const reportBatchBytes = 131_072
export const reportsPerMessageMax = 128

/** 1,000 contents in the ledger, with 8 peers each: less than 1 MiB of memory; older ones are summed. 256 peers is a large fleet's sites. */
export const ledgerContentsMax = 1_000
export const peersPerContentMax = 8
export const ledgerPeersMax = 256

/** While something is missing a member looks every second how much; it costs a pass over the bitmaps of what is fetched. */
export const progressLookMs = 1_000
/** And tells its neighbours at most this often, while it changes; more often would add nothing that a person sees. */
export const progressTellMs = 4_000
/** The rate is what came in the last 20 s: shorter jumps with every burst, longer is slow to see that the line slowed down. */
export const rateWindowMs = 20_000
/** The first second of a transfer is left out of its rate. */
export const rateRampMs = 1_000
/** What a member says of others, on a question; as many as it may have neighbours. Questions of one neighbour are answered this often. */
export const surveyMs = 1_000
/** Members of the site that are remembered with their last word, and for how long once they are gone. */
export const progressKnownMax = 1_000
export const progressKeptMs = 3_600_000

assert(settleMsMin < settleMsMax, 'the settle time has a range')
assert(progressLookMs <= progressTellMs, 'what is told was looked at')
assert(wanCreditBytesMin < wanCreditBytesMax, 'the credit on a line has a range')
assert(budgetStepMs < budgetBurstMs && budgetStepBytes < budgetBurstBytes, 'a step fits a budget')
assert(leaseWordMs * 2 < leaseMsMin, 'a lease outlives a lost renewal')
assert(hungerMs < dutyMs, 'silence is noticed in time')
assert(reportBatchBytes < messageBytesMax, 'a batch of reports fits a message')
assert(reportFlightMs < reportAgainMs, 'what is sent again counts as lost by then')
assert(reportsPerBringerMax < reportsCarriedMax, 'one member cannot fill all there is')
assert(reportsPerBringerBytesMax < reportsCarriedBytesMax, 'nor with few large ones')
assert(announcementBytesMax < messageBytesMax, 'an announcement could also be sent as a message')
assert(siteLinksSoon < siteLinksWanted, 'links grow')
assert(siteLinksWanted < siteLinksMax, 'a member accepts more links than it seeks')
