package table

import (
	"bytes"
	"errors"
	"testing"

	"varve"
)

// FuzzTable holds that whatever the bytes, the outcome is an error or a table that is encoded as these very bytes.
func FuzzTable(f *testing.F) {
	p := sample()
	data, err := AppendTable(nil, &p)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data, uint32(MaxPack))
	f.Add(data[:len(data)-1], uint32(200682))
	f.Add([]byte{0, 0, 0}, uint32(0))
	f.Fuzz(func(t *testing.T, data []byte, limit uint32) {
		p, err := DecodeTable(data, limit)
		if err != nil {
			if !errors.Is(err, varve.ErrDamaged) {
				t.Fatal(err)
			}
			return
		}
		again, err := AppendTable(nil, &p)
		if err != nil || !bytes.Equal(again, data) {
			t.Fatalf("%x becomes %x, %v", data, again, err)
		}
	})
}

// FuzzIndex holds the same of index objects.
func FuzzIndex(f *testing.F) {
	p := sample()
	data, err := AppendIndex(nil, []Pack{p, {Size: FooterSize, Sessions: p.Sessions[:1]}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add(data[:len(data)-1])
	f.Add([]byte{0})
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := collect(data)
		if err != nil {
			if !errors.Is(err, varve.ErrDamaged) {
				t.Fatal(err)
			}
			return
		}
		again, err := AppendIndex(nil, list)
		if err != nil || !bytes.Equal(again, data) {
			t.Fatalf("%x becomes %x, %v", data, again, err)
		}
	})
}
