package engine

// meaningKind says what a frame that was sent meant (5.1).
type meaningKind uint8

const (
	meantStream meaningKind = iota
	meantCrypto             // level, offset, n
	meantGrant
	meantMaxSlots // value in offset
	meantDefine   // id in offset
	meantCancel
	meantEnded
	meantDone
	meantToken
	meantDrain
	meantAck // the largest that was acked, in offset
	meantChallenge
)

// meaning is what a frame meant, to be wanted again if its packet is lost.
type meaning struct {
	kind  meaningKind
	level Level
	mine  bool // which slot
	moved bool // a later packet has it too, because of a PTO
	slot  uint32
	n     uint32
	seq   uint64
	off   uint64
}

// record is a packet that was sent (5.1).
type record struct {
	time    int64
	size    int32
	level   Level
	elicits bool // it asks for an ack, soon or at once
	lazy    bool // it asks lazily only: a lazy reply is all it has
	flying  bool // its size counts as in flight
	probe   bool // an MTU probe
	ecn     bool
	over    bool // acked, lost or given up
	first   uint64
	count   int32
}

// sentLog are the packets that were sent, by number, with their meanings. Both
// are rings; a packet leaves when all before it are over.
type sentLog struct {
	recs       []record
	base, next uint64
	means      []meaning
	firstMean  uint64
	nextMean   uint64
}

func (l *sentLog) init() {
	l.recs, l.means = make([]record, 64), make([]meaning, 128)
}

func (l *sentLog) at(n uint64) *record { return &l.recs[n&uint64(len(l.recs)-1)] }

func (l *sentLog) mean(i uint64) *meaning { return &l.means[i&uint64(len(l.means)-1)] }

// len is how many packets are kept.
func (l *sentLog) len() int { return int(l.next - l.base) }

// begin makes the record of the next packet.
func (l *sentLog) begin(now int64, level Level) *record {
	if l.len() == len(l.recs) {
		recs := make([]record, 2*len(l.recs))
		for n := l.base; n < l.next; n++ {
			recs[n&uint64(len(recs)-1)] = *l.at(n)
		}
		l.recs = recs
	}
	r := l.at(l.next)
	*r = record{time: now, level: level, first: l.nextMean}
	l.next++
	return r
}

// add notes a meaning of the packet that was begun last.
func (l *sentLog) add(m meaning) {
	if l.nextMean-l.firstMean == uint64(len(l.means)) {
		means := make([]meaning, 2*len(l.means))
		for i := l.firstMean; i < l.nextMean; i++ {
			means[i&uint64(len(means)-1)] = *l.mean(i)
		}
		l.means = means
	}
	*l.mean(l.nextMean) = m
	l.nextMean++
	l.at(l.next-1).count++
}

// undo forgets the packet that was begun last: it was not sent.
func (l *sentLog) undo() {
	l.next--
	l.nextMean = l.at(l.next).first
}

// trim lets packets go that are over.
func (l *sentLog) trim() {
	for l.base < l.next && l.at(l.base).over {
		r := l.at(l.base)
		l.firstMean = r.first + uint64(r.count)
		l.base++
	}
}
