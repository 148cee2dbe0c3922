package seal

import (
	"bytes"
	"runtime"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"
)

func TestWhatIsCompressedComesBack(t *testing.T) {
	var c Compressor
	for what, plain := range map[string][]byte{
		"nothing": nil, "a byte": {7}, "noise": noise(100_000), "prose": prose(100_000), "zeros": make([]byte, 3<<20), "short": []byte("abc"),
	} {
		codec, out := c.Compress([]byte("before"), plain)
		if !bytes.HasPrefix(out, []byte("before")) {
			t.Fatalf("%s: what stood before is gone", what)
		}
		data := out[len("before"):]
		if len(data) > len(plain) || (codec == Zstd) != (len(data) < len(plain)) {
			t.Errorf("%s: %d bytes became %d with codec %d", what, len(plain), len(data), codec)
		}
		back, err := c.Decompress([]byte("b"), codec, data, len(plain))
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		wantBytes(t, what, back, append([]byte("b"), plain...))
	}
}

func TestMistakeOfTheCompressorCostsNoData(t *testing.T) {
	plain := prose(10_000)
	for what, spoil := range map[string]func([]byte){
		"frame that does not decode": func(frame []byte) { frame[0] ^= 0xff },
		"frame of something else":    func(frame []byte) { copy(frame, new(zstdFrame).of(len(frame), len(plain))) },
	} {
		c := Compressor{spoil: spoil}
		codec, out := c.Compress(nil, plain)
		if codec != Raw {
			t.Errorf("%s: taken for good", what)
		}
		wantBytes(t, what, out, plain)
	}
}

// zstdFrame makes frames of plainLen zeros that are n bytes long.
type zstdFrame struct{}

func (zstdFrame) of(n, plainLen int) []byte {
	e, _ := zstd.NewWriter(nil)
	frame := e.EncodeAll(make([]byte, plainLen), nil)
	skipped := n - len(frame) - 8
	frame = append(frame, 0x50, 0x2a, 0x4d, 0x18, byte(skipped), byte(skipped>>8), byte(skipped>>16), 0)
	return append(frame, make([]byte, skipped)...)
}

func TestBombsTakeNoMoreMemoryThanAnnounced(t *testing.T) {
	e, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	bomb := e.EncodeAll(make([]byte, 32<<20), nil)
	var headless bytes.Buffer // a frame that does not say how long its content is
	w, err := zstd.NewWriter(&headless)
	if err != nil {
		t.Fatal(err)
	}
	for range 32 {
		if _, err := w.Write(make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var c Compressor
	for what, data := range map[string][]byte{"bomb": bomb, "headless bomb": headless.Bytes(), "two frames": bytes.Repeat(e.EncodeAll(prose(1000), nil), 2)} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := c.Decompress(nil, Zstd, data, 1000)
		runtime.ReadMemStats(&after)
		wantDamaged(t, what, err)
		if got := after.TotalAlloc - before.TotalAlloc; got > 20<<20 {
			t.Errorf("%s: took %d bytes", what, got)
		}
	}
}

func TestWrongLengthsAndCodecsAreRefused(t *testing.T) {
	var c Compressor
	plain := prose(1000)
	codec, data := c.Compress(nil, plain)
	if codec != Zstd {
		t.Fatal("prose is not compressed")
	}
	for what, try := range map[string]func() ([]byte, error){
		"shorter":       func() ([]byte, error) { return c.Decompress(nil, Zstd, data, 999) },
		"longer":        func() ([]byte, error) { return c.Decompress(nil, Zstd, data, 1001) },
		"nothing":       func() ([]byte, error) { return c.Decompress(nil, Zstd, data, 0) },
		"negative":      func() ([]byte, error) { return c.Decompress(nil, Zstd, data, -1) },
		"no data":       func() ([]byte, error) { return c.Decompress(nil, Zstd, nil, 1000) },
		"truncated":     func() ([]byte, error) { return c.Decompress(nil, Zstd, data[:len(data)-1], 1000) },
		"raw, shorter":  func() ([]byte, error) { return c.Decompress(nil, Raw, plain, 999) },
		"raw, negative": func() ([]byte, error) { return c.Decompress(nil, Raw, nil, -1) },
		"codec 2":       func() ([]byte, error) { return c.Decompress(nil, 2, data, 1000) },
	} {
		_, err := try()
		wantDamaged(t, what, err)
	}
}

func TestCompressorServesManyAtOnce(t *testing.T) {
	var c Compressor
	var wg sync.WaitGroup
	for i := range 8 {
		plain := prose(20_000 + i)
		wg.Go(func() {
			codec, data := c.Compress(nil, plain)
			back, err := c.Decompress(nil, codec, data, len(plain))
			if err != nil || !bytes.Equal(back, plain) {
				t.Errorf("%d bytes: %v", len(plain), err)
			}
		})
	}
	wg.Wait()
}

func TestPaddingIsWhatTheFormatSays(t *testing.T) {
	for n, want := range map[int]int{0: 0, 1: 1, 2: 2, 8: 8, 9: 10, 100: 104, 1023: 1024, 1024: 1024, 1025: 1088, 1089: 1152, 1 << 20: 1 << 20, 1<<20 + 1: 1<<20 + 1<<15, 16<<20 - 1: 16 << 20} {
		if got := Padme(n); got != want {
			t.Errorf("Padme(%d) = %d, want %d", n, got, want)
		}
	}
	for n := 2; n < 100_000; n++ {
		if p := Padme(n); p < n || p*100 > n*112 || Padme(p) != p {
			t.Fatalf("Padme(%d) = %d", n, p)
		}
	}
}
