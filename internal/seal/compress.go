package seal

import (
	"bytes"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// Codec says how plaintext is written before it is sealed.
type Codec uint8

const (
	// Raw is as it is.
	Raw Codec = 0
	// Zstd is one frame of zstd as RFC 8878 has it, without a dictionary.
	Zstd Codec = 1
)

const (
	// reach is how far back the encoder looks for what comes again, in bytes: most blobs are no longer than that. It keeps a copy of
	// twice as much, which should stay in the processor's cache.
	reach = 1 << 20
	// spare is how many bytes the decoder needs behind what it decodes to write more than it has to, which is faster.
	spare = 64
)

// Compressor compresses and decompresses. The zero value is ready; it may be used by several goroutines, and must not be copied.
// It keeps an encoder, a decoder and a buffer for every goroutine that uses it at the same time.
type Compressor struct {
	encoders sync.Pool // of *zstd.Encoder
	decoders sync.Pool // of *zstd.Decoder
	scratch  sync.Pool // of *[]byte
	// spoil, set by tests, stands for a mistake of the encoder.
	spoil func(frame []byte)
}

// Compress appends plaintext to dst, compressed where that is smaller, and says how. What it compressed it has decompressed again and
// compared: where that fails, plaintext is appended as it is. The plaintext must not overlap the free capacity of dst.
func (c *Compressor) Compress(dst, plaintext []byte) (Codec, []byte) {
	if out := c.encode(dst, plaintext); len(out)-len(dst) < len(plaintext) && c.yields(out[len(dst):], plaintext) {
		return Zstd, out
	}
	return Raw, append(dst, plaintext...)
}

func (c *Compressor) encode(dst, plaintext []byte) []byte {
	e, _ := c.encoders.Get().(*zstd.Encoder)
	if e == nil {
		// One segment saves the encoder a seventh of the time, and the decoder as much.
		e = must(zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest),
			zstd.WithEncoderCRC(false), zstd.WithSingleSegment(true), zstd.WithWindowSize(reach)))
	}
	defer c.encoders.Put(e)
	out := e.EncodeAll(plaintext, dst)
	if c.spoil != nil {
		c.spoil(out[len(dst):])
	}
	return out
}

// yields reports whether frame decompresses to plaintext.
func (c *Compressor) yields(frame, plaintext []byte) bool {
	buf, _ := c.scratch.Get().(*[]byte)
	if buf == nil {
		buf = new([]byte)
	}
	defer c.scratch.Put(buf)
	*buf = slices.Grow((*buf)[:0], len(plaintext)+spare)
	again, err := c.Decompress((*buf)[:0], Zstd, frame, len(plaintext))
	return err == nil && bytes.Equal(again, plaintext)
}

// Decompress appends to dst what Compress made data of: exactly plainLen bytes, or it is varve.ErrDamaged. It takes memory for
// plainLen bytes and little more, whatever data claims; callers check plainLen against the limits of the format first.
func (c *Compressor) Decompress(dst []byte, codec Codec, data []byte, plainLen int) ([]byte, error) {
	switch {
	case codec == Raw && len(data) == plainLen:
		return append(dst, data...), nil
	case codec == Raw:
		return nil, damaged("decompress: length differs")
	case codec != Zstd || plainLen <= 0:
		return nil, damaged("decompress: unknown codec")
	}
	d, _ := c.decoders.Get().(*zstd.Decoder)
	if d == nil {
		d = must(zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderLowmem(true),
			zstd.IgnoreChecksum(true)))
	}
	defer c.decoders.Put(d)
	start := len(dst)
	dst = slices.Grow(dst, plainLen+spare)
	out, err := d.DecodeAll(data, dst[:start:start+plainLen+spare])
	if err != nil {
		return nil, damaged("decompress: " + err.Error())
	}
	if len(out)-start != plainLen {
		return nil, damaged("decompress: length differs")
	}
	return out, nil
}
