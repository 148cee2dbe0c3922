package remote

import (
	"context"
	"encoding/binary"
	"fmt"
	"io/fs"

	"varve"
)

// openRequest is a message of kind msgOpen: a file is wanted, and cut with a key where the flag says so.
//
//	offer u32  flags u8  [key 32 bytes]  entry
type openRequest struct {
	id    uint32
	cut   bool
	key   [32]byte
	entry varve.Entry
}

// flagCut asks for lists of chunks.
const flagCut = 1

func (r *openRequest) append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, r.id)
	if r.cut {
		b = append(append(b, flagCut), r.key[:]...)
	} else {
		b = append(b, 0)
	}
	w := encoder{b: b}
	w.add(&r.entry)
	return w.b
}

func (r *openRequest) parse(payload []byte) error {
	d := decoder{b: payload}
	if b := d.take(4); b != nil {
		r.id = binary.LittleEndian.Uint32(b)
	}
	switch d.byte() {
	case 0:
	case flagCut:
		r.cut = true
		copy(r.key[:], d.take(uint64(len(r.key))))
	default:
		d.fail("flags that have no meaning")
	}
	r.entry = d.entry()
	if err := d.err(); err != nil {
		return err
	}
	if err := passFile(&r.entry); err != nil {
		return fmt.Errorf("%w: %w", fs.ErrInvalid, err)
	}
	return nil
}

// The ways in which content is sent.
const (
	modePlain = iota
	modeCut
)

// open sends a file: what it is, its content, and what it is afterwards.
func (p *peer) open(ctx context.Context, c *call, r *openRequest) error {
	o, err := p.offered(r.id)
	if err != nil {
		return err
	}
	e, err := o.allowed(ctx, &r.entry)
	if err != nil {
		p.log.Warn("refused to open a file", "path", r.entry.Path, "error", err)
		return err
	}
	file, err := o.src.Open(ctx, e)
	if err != nil {
		if !concernsOneFile(err) {
			o.broke(err)
		}
		return err
	}
	defer file.Close()
	f := &offered{file: file}
	defer o.reading(c.ID(), f)()
	if err := p.sendFile(ctx, c, o, f, r); err != nil {
		return err
	}
	c.End()
	c.next() // the other side may ask what the file is until it closes the stream
	return nil
}

// allowed returns the entry to be opened where e may be.
func (o *offer) allowed(ctx context.Context, e *varve.Entry) (varve.Entry, error) {
	switch {
	case o.listed != nil && !o.listed.find(e):
		return *e, fmt.Errorf("open %.200q: not among the files that are offered: %w", e.Path, fs.ErrPermission)
	case o.own != nil:
		return o.own.find(ctx, e.Path)
	}
	return *e, nil
}

// reading makes f known as a file that is being read, until the returned function is called.
func (o *offer) reading(id uint32, f *offered) (done func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.files[id] = f
	return func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		delete(o.files, id)
	}
}

func (p *peer) sendFile(ctx context.Context, c *call, o *offer, f *offered, r *openRequest) error {
	before, err := f.entry()
	if err != nil {
		return oneFile(err)
	}
	cut := r.cut && before.Size >= cutFrom
	if err := sendEntry(c, msgFile, o, &before, cut); err != nil {
		return err
	}
	if cut {
		err = p.cutContent(ctx, c, f, r.key)
	} else {
		err = p.content(c, f)
	}
	if err != nil {
		return err
	}
	after, err := f.entry()
	if err != nil {
		return oneFile(err)
	}
	return sendEntry(c, msgTrailer, o, &after, false)
}

// sendEntry sends what a file is. Before its content the way in which that is sent stands in front.
func sendEntry(c *call, kind byte, o *offer, e *varve.Entry, cut bool) error {
	o.strip(e)
	var w encoder
	if kind == msgFile {
		mode := byte(modePlain)
		if cut {
			mode = modeCut
		}
		w.b = append(w.b, mode)
	}
	w.add(e)
	if len(w.b) > maxMessage {
		return fmt.Errorf("%w: /%s: its metadata is too large for one message", varve.ErrUnreadable, e.Path)
	}
	return c.send(kind, w.b)
}
