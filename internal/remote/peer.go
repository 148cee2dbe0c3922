package remote

import (
	"context"
	"io"
	"log/slog"
	"sync"

	"varve/internal/mux"
)

// peer is one end of a session: it answers requests of the other side, and offers trees to it.
type peer struct {
	session *mux.Session
	log     *slog.Logger
	ops     map[string]operation

	requests *budget // memory for requests that are long
	windows  *budget // memory for content that was cut and may be asked for, beyond what everybody has
	listings *budget // how many listings of directories are in memory
	buffers  sync.Pool

	mu     sync.Mutex
	offers map[uint32]*offer
}

// operation answers one request. It may be cancelled unless it reads from the call itself.
type operation struct {
	do    func(ctx context.Context, c *call, r *request) error
	reads bool // it reads from the call
}

const (
	// requestMemory bounds the long requests that are read at a time, in bytes.
	requestMemory = 2 * maxMessage
	// windowMemory bounds what files that are cut keep beyond leastWindow each, in bytes.
	windowMemory = 32 << 20
	// maxListings is how many listings of directories are in memory at a time; nobody knows how long one is.
	maxListings = 4
)

func newPeer(s *mux.Session, log *slog.Logger) *peer {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	p := &peer{session: s, log: log, requests: newBudget(requestMemory), windows: newBudget(windowMemory),
		listings: newBudget(maxListings), offers: map[uint32]*offer{}}
	p.buffers.New = func() any { return new([messageHead + maxData]byte) }
	p.ops = map[string]operation{opEntries: {do: p.entries}, opStat: {do: p.stat}, opDir: {do: p.dir}}
	return p
}

// serve answers requests until the session ends, which is why it returns.
func (p *peer) serve() error {
	ctx := p.session.Context()
	var calls sync.WaitGroup
	defer calls.Wait()
	for {
		st, err := p.session.Accept(ctx)
		if err != nil {
			return context.Cause(ctx)
		}
		calls.Go(func() { p.answer(ctx, newCall(st)) })
	}
}

// answer answers one request. Whatever is wrong with it ends this request alone.
func (p *peer) answer(ctx context.Context, c *call) {
	defer c.Close()
	err := p.perform(ctx, c)
	if err != nil {
		err = c.fail(err)
	}
	if err == nil {
		c.End()
	}
}

func (p *peer) perform(ctx context.Context, c *call) error {
	kind, err := c.next()
	if err != nil {
		return err
	}
	switch kind {
	case msgOpen:
		var r openRequest
		if err := p.read(ctx, c, r.parse); err != nil {
			return err
		}
		return briefly(p.open(ctx, c, &r))
	case msgRequest:
		var r request
		if err := p.read(ctx, c, func(text []byte) error { return parseJSON(text, &r) }); err != nil {
			return err
		}
		return p.dispatch(ctx, c, &r)
	}
	return outOfTurn(kind)
}

// read reads a request; few long ones are read at a time.
func (p *peer) read(ctx context.Context, c *call, parse func([]byte) error) error {
	if long := int64(c.rest); long > batchSize {
		if err := p.requests.take(ctx, long); err != nil {
			return err
		}
		defer p.requests.give(long)
	}
	payload, err := c.payload()
	if err != nil {
		return err
	}
	return parse(payload)
}

func (p *peer) dispatch(ctx context.Context, c *call, r *request) error {
	op, known := p.ops[r.Op]
	switch {
	case !known:
		return protocolError("it asks for %.40q, which nobody offers", r.Op)
	case op.reads:
		return op.do(ctx, c, r)
	}
	return c.watched(ctx, func(ctx context.Context) error { return op.do(ctx, c, r) })
}

// watched runs do with a context that ends when the other side no longer wants the answer.
func (c *call) watched(ctx context.Context, do func(ctx context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		defer cancel()
		c.next() // msgCancel, the end, or something that does not belong there
	})
	err := do(ctx)
	if err != nil {
		err = c.fail(err)
	}
	if err == nil {
		c.End()
	}
	c.Close()
	watch.Wait()
	return nil
}

// begin opens a stream with a request on it, which is given up when ctx ends; stop must be called at the end.
func (p *peer) begin(ctx context.Context, kind byte, payload []byte) (c *call, stop func(), err error) {
	st, err := p.session.Open(ctx)
	if err != nil {
		return nil, nil, err
	}
	c = newCall(st)
	undo := context.AfterFunc(ctx, func() { st.Close() })
	stop = func() {
		undo()
		st.Close()
	}
	if err := c.send(kind, payload); err != nil {
		stop()
		return nil, nil, whatever(ctx, err)
	}
	return c, stop, nil
}

// ask begins a request of JSON.
func (p *peer) ask(ctx context.Context, r *request) (*call, func(), error) {
	text, err := marshal(r)
	if err != nil {
		return nil, nil, err
	}
	return p.begin(ctx, msgRequest, text)
}

// do asks and returns the reply.
func (p *peer) do(ctx context.Context, r *request) (answer reply, err error) {
	c, stop, err := p.ask(ctx, r)
	if err != nil {
		return answer, err
	}
	defer stop()
	return answer, whatever(ctx, c.receiveJSON(msgReply, &answer))
}

// buffer returns room for a message of data; it must be given back.
func (p *peer) buffer() *[messageHead + maxData]byte {
	return p.buffers.Get().(*[messageHead + maxData]byte)
}

// content sends what r has as messages of data.
func (p *peer) content(c *call, r io.Reader) error {
	buf := p.buffer()
	defer p.buffers.Put(buf)
	for {
		n, err := r.Read(buf[messageHead:])
		if n > 0 {
			if err := c.sendData(buf[:messageHead+n]); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return oneFile(err)
		}
	}
}
