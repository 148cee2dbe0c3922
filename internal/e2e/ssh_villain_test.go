//go:build linux

package e2e

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
)

// villainous names the lie that this program tells as an SFTP server: it stands between a client and the real sftp-server, and changes
// some of what either says.
const villainous = "VARVE_E2E_VILLAIN"

// villain is one connection to the server that lies.
type villain struct {
	lie  string
	mu   sync.Mutex
	kind map[uint32]byte // of the requests under way, by number
	told int             // names that were made up
}

// Types of packets.
const (
	sftpRead, sftpLstat, sftpFstat, sftpOpendir, sftpReaddir = 5, 7, 8, 11, 12
	sftpStat, sftpStatus, sftpData, sftpName, sftpAttrs      = 17, 101, 103, 104, 105
)

// loop is the name of a directory that, where the lie is "cyclic", has itself in it.
const loop = "loop"

// serveSFTP serves over standard input and output, and returns the exit code.
func serveSFTP(lie string) int {
	cmd := exec.Command("/bin/sh", "-c", "exec $(ls /usr/lib/openssh/sftp-server /usr/libexec/openssh/sftp-server /usr/lib/ssh/sftp-server /usr/libexec/sftp-server 2>/dev/null | head -n 1)")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return 1
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 1
	}
	if err := cmd.Start(); err != nil {
		return 1
	}
	v := &villain{lie: lie, kind: map[uint32]byte{}}
	var asking sync.WaitGroup
	asking.Go(func() {
		_ = relay(os.Stdin, in, v.request)
		_ = in.Close()
	})
	_ = relay(out, os.Stdout, v.answer)
	_ = cmd.Process.Kill() // the client is gone, or the server is
	_ = cmd.Wait()
	_ = os.Stdin.Close()
	return 0
}

// relay copies packets, changed, until one side is gone.
func relay(from io.Reader, to io.Writer, change func([]byte) []byte) error {
	for first := true; ; first = false {
		p := make([]byte, 4)
		if _, err := io.ReadFull(from, p); err != nil {
			return err
		}
		p = append(p, make([]byte, binary.BigEndian.Uint32(p))...)
		if _, err := io.ReadFull(from, p[4:]); err != nil {
			return err
		}
		if !first { // the greeting
			p = change(p)
		}
		if _, err := to.Write(p); err != nil {
			return err
		}
	}
}

// framed returns a packet of a type in answer to another one.
func framed(typ byte, id []byte, fields ...byte) []byte {
	p := append(append([]byte{0, 0, 0, 0, typ}, id[:4]...), fields...)
	binary.BigEndian.PutUint32(p, uint32(len(p)-4))
	return p
}

func word(s string) []byte { return append(binary.BigEndian.AppendUint32(nil, uint32(len(s))), s...) }

// request notes a request, and leads those into the loop back to its beginning.
func (v *villain) request(p []byte) []byte {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.kind[binary.BigEndian.Uint32(p[5:])] = p[4]
	if v.lie != "cyclic" || len(p) < 13 {
		return p
	}
	n := int(binary.BigEndian.Uint32(p[9:]))
	if 13+n > len(p) {
		return p
	}
	path := string(p[13 : 13+n])
	for strings.Contains(path, "/"+loop+"/"+loop) {
		path = strings.ReplaceAll(path, "/"+loop+"/"+loop, "/"+loop)
	}
	return framed(p[4], p[5:9], append(word(path), p[13+n:]...)...)
}

// answer changes an answer.
func (v *villain) answer(p []byte) []byte {
	v.mu.Lock()
	defer v.mu.Unlock()
	asked := v.kind[binary.BigEndian.Uint32(p[5:])]
	delete(v.kind, binary.BigEndian.Uint32(p[5:]))
	what, name, _ := strings.Cut(v.lie, ":")
	switch {
	case what == "name" && asked == sftpReaddir && p[4] == sftpName:
		raw, _ := hex.DecodeString(name) // it was encoded by the test
		return v.more(p, string(raw), 1)
	case what == "endless" && asked == sftpReaddir && p[4] == sftpStatus:
		return v.more(framed(sftpName, p[5:9], 0, 0, 0, 0), "", 100)
	case what == "small" || what == "large":
		return v.size(p, asked, what)
	case what == "packet" && asked == sftpLstat:
		return append([]byte{0xff, 0xff, 0xff, 0xff}, p[4:]...)
	case what == "garbage" && asked == sftpReaddir:
		return []byte("\x00\x00\x01\x00" + strings.Repeat("garbage ", 32))
	}
	return p
}

// more adds names to a listing; made up ones where there is none.
func (v *villain) more(p []byte, name string, count int) []byte {
	n := binary.BigEndian.Uint32(p[9:])
	p = append([]byte{}, p...)
	for range count {
		made := name
		if count > 1 {
			v.told++
			made = fmt.Sprintf("made-up-%0180d", v.told)
		}
		p = append(append(append(p, word(made)...), word("-rw-r--r-- x")...), attributes(0o100644, 1)...)
	}
	binary.BigEndian.PutUint32(p[9:], n+uint32(count))
	binary.BigEndian.PutUint32(p, uint32(len(p)-4))
	return p
}

// attributes returns size, owner, mode and times.
func attributes(mode uint32, size uint64) []byte {
	b := binary.BigEndian.AppendUint64([]byte{0, 0, 0, 15}, size)
	for _, n := range []uint32{0, 0, mode, 1, 1} {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	return b
}

// size lies about how large regular files are, and has no end of a small one.
func (v *villain) size(p []byte, asked byte, lie string) []byte {
	switch {
	case p[4] == sftpAttrs && (asked == sftpLstat || asked == sftpFstat || asked == sftpStat) && binary.BigEndian.Uint32(p[29:])>>12 == 8:
		size := uint64(1)
		if lie == "large" {
			size = 1 << 50
		}
		return framed(sftpAttrs, p[5:9], attributes(binary.BigEndian.Uint32(p[29:]), size)...)
	case lie == "small" && asked == sftpRead && p[4] == sftpStatus:
		return framed(sftpData, p[5:9], word("more")...)
	}
	return p
}
