package rsync

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// readSecluded returns the arguments that a client with --secluded-args sends before anything else: words that end with NUL, the
// first one a name for the program, an empty one last. Not a byte more is read, since the rest of the stream is rsync's.
func readSecluded(in *os.File, silence time.Duration) ([]string, error) {
	return secludedWords(&slowReader{file: in, silence: silence})
}

// slowReader reads single bytes from a file, each of which may take a while.
type slowReader struct {
	file    *os.File
	silence time.Duration
}

func (r *slowReader) Read(p []byte) (int, error) {
	if err := awaitInput(r.file, r.silence); err != nil {
		return 0, err
	}
	return r.file.Read(p)
}

func secludedWords(in io.Reader) ([]string, error) {
	var text []byte
	one := make([]byte, 1)
	for !bytes.Equal(text, []byte{0}) && !bytes.HasSuffix(text, []byte{0, 0}) {
		if len(text) > maxCommand {
			return nil, fmt.Errorf("secluded arguments %w: longer than %d bytes", ErrRefused, maxCommand)
		}
		if _, err := io.ReadFull(in, one); err != nil {
			return nil, fmt.Errorf("read secluded arguments: %w", err)
		}
		text = append(text, one[0])
	}
	words := strings.Split(strings.TrimRight(string(text), "\x00"), "\x00")
	if words[0] != "rsync" {
		return nil, fmt.Errorf("secluded arguments %w: not what an rsync client sends", ErrRefused)
	}
	return words[1:], nil
}
