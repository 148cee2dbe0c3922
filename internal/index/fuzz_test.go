package index

import (
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"testing"

	"varve"
)

// mend gives data the checksums that it should have, so that what they cover is read.
func mend(data []byte) []byte {
	size, sums := parts(int64(len(data)))
	if size <= 0 {
		return data
	}
	body, end := data[:size], data[size:]
	for b := int64(0); b*blockSize < size && b < sums/4; b++ {
		le.PutUint32(end[4*b:], crc32.Checksum(body[b*blockSize:min((b+1)*blockSize, size)], castagnoli))
	}
	le.PutUint64(end[sums+8:], uint64(size))
	at := len(end) - len(magic) - 4
	le.PutUint32(end[at:], crc32.Checksum(end[:at], castagnoli))
	copy(end[at+4:], magic)
	return data
}

// FuzzFile holds that whatever a file says, even under right checksums, asking for anything ends, with an answer or with damage.
func FuzzFile(f *testing.F) {
	data, _ := oneFile(f)
	f.Add(data)
	f.Add(data[len(data)/2:])
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		mended := mend(append([]byte(nil), data...))
		for name, call := range every {
			must(t, os.WriteFile(filepath.Join(dir, prefix+"0"+suffix), mended, 0o600))
			s, err := Open(dir)
			must(t, err)
			s.maxFiles = 1
			if err := call(s); err != nil && !errors.Is(err, varve.ErrDamaged) {
				t.Errorf("%s: %v", name, err)
			}
			must(t, s.Close())
			for _, path := range filesIn(t, dir, "*") {
				must(t, os.Remove(path))
			}
		}
	})
}
