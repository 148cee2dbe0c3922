package sftp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"strings"
	"testing"
	"time"
)

// everything is what a peer offers that offers all extensions.
var everything = []string{
	"posix-rename@openssh.com", "1", "statvfs@openssh.com", "2", "hardlink@openssh.com", "1", "fsync@openssh.com", "1",
	"lsetstat@openssh.com", "1", "users-groups-by-id@openssh.com", "1",
}

var aHandle = Handle{raw: "h", path: "file"}

// asking returns what sends r and waits.
func asking[T any](r Request[T]) func(*Session) error {
	return func(s *Session) error {
		_, err := Do(context.Background(), s, r)
		return err
	}
}

func u32(numbers ...uint32) []byte {
	var b []byte
	for _, n := range numbers {
		b = appendUint32(b, n)
	}
	return b
}

func TestEveryLieInAnAnswerEndsTheSession(t *testing.T) {
	data := func(n int) []byte { return appendString(nil, make([]byte, n)) }
	lstat, readdir, realpath := asking(Lstat("a")), asking(Readdir(aHandle)), asking(Realpath("a"))
	read := asking(Read(aHandle, 0, make([]byte, 10)))
	for name, lie := range map[string]struct {
		ask func(*Session) error
		typ byte
		say []byte
	}{
		"status without code":         {lstat, typeStatus, []byte{0, 0}},
		"status with a cut message":   {lstat, typeStatus, u32(4, 100)},
		"success without result":      {lstat, typeStatus, u32(0)},
		"handle for attributes":       {lstat, typeHandle, appendString(nil, "h")},
		"request as an answer":        {lstat, typeLstat, appendString(nil, "a")},
		"second version":              {lstat, typeVersion, nil},
		"unknown type":                {lstat, 77, nil},
		"attributes cut":              {lstat, typeAttrs, u32(uint32(Owner), 1)},
		"no attributes at all":        {lstat, typeAttrs, nil},
		"unknown attributes":          {lstat, typeAttrs, u32(1 << 4)},
		"negative size":               {lstat, typeAttrs, appendUint64(u32(uint32(Size)), math.MaxInt64+1)},
		"extended attributes lie":     {lstat, typeAttrs, u32(uint32(Extended), math.MaxUint32)},
		"extended attributes cut":     {lstat, typeAttrs, u32(uint32(Extended), 1, 3, 3)},
		"handle empty":                {asking(Opendir("a")), typeHandle, appendString(nil, "")},
		"handle too long":             {asking(OpenFile("a", FlagRead, Attrs{})), typeHandle, appendString(nil, make([]byte, 257))},
		"handle cut":                  {asking(Opendir("a")), typeHandle, u32(3)},
		"more data than asked":        {read, typeData, data(11)},
		"no data":                     {read, typeData, data(0)},
		"data cut":                    {read, typeData, data(9)[:12]},
		"data for a write":            {asking(Write(aHandle, 0, []byte{1})), typeData, data(1)},
		"more names than there are":   {readdir, typeName, append(u32(2), names("a")[4:]...)},
		"absurdly many names":         {readdir, typeName, u32(math.MaxUint32)},
		"name cut":                    {readdir, typeName, names("abc")[:10]},
		"name whose length lies":      {readdir, typeName, u32(1, math.MaxUint32, 0, 0)},
		"name with bad attributes":    {readdir, typeName, append(names("a")[:len(names("a"))-4], u32(1<<5)...)},
		"two paths":                   {realpath, typeName, names("/a", "/b")},
		"no path":                     {realpath, typeName, names()},
		"two link targets":            {asking(Readlink("a")), typeName, names("a", "b")},
		"space cut":                   {asking(Statvfs("a")), typeExtendedReply, make([]byte, 87)},
		"fewer user names than asked": {asking(UsersGroups([]uint32{1, 2}, nil)), typeExtendedReply, append(appendString(nil, appendString(nil, "a")), 0, 0, 0, 0)},
		"more user names than asked": {asking(UsersGroups([]uint32{1}, nil)), typeExtendedReply,
			append(appendString(nil, appendString(appendString(nil, "a"), "b")), 0, 0, 0, 0)},
	} {
		t.Run(name, func(t *testing.T) {
			s := converse(t, Options{}, everything, func(p *peer) {
				p.send(lie.typ, p.next().id, lie.say)
			})
			if err := lie.ask(s); !errors.Is(err, ErrProtocol) {
				t.Errorf("got %v", err)
			}
			mustEnd(t, s)
			fails(t, s, Lstat("later"), ErrLost)
		})
	}
}

func TestPacketsThatNobodyAskedForEndTheSession(t *testing.T) {
	for name, send := range map[string]func(p *peer, id uint32){
		"wrong ID":         func(p *peer, id uint32) { p.status(id+1, 0, "") },
		"answered twice":   func(p *peer, id uint32) { p.status(id, 2, ""); p.status(id, 2, "") },
		"empty packet":     func(p *peer, _ uint32) { p.raw(make([]byte, 9)) },
		"packet of four":   func(p *peer, _ uint32) { p.raw([]byte{0, 0, 0, 4, 101, 0, 0, 0, 1}) },
		"huge packet":      func(p *peer, id uint32) { p.raw([]byte{0xff, 0xff, 0xff, 0xff, 101, 0, 0, 0, byte(id)}) },
		"huge length":      func(p *peer, _ uint32) { p.raw(u32(0xfffffff0)) },
		"one byte too big": func(p *peer, id uint32) { p.raw(append(u32(maxPacket+1), 101, 0, 0, 0, byte(id))) },
	} {
		t.Run(name, func(t *testing.T) {
			s := converse(t, Options{}, nil, func(p *peer) { send(p, p.next().id) })
			if _, err := Do(context.Background(), s, Lstat("a")); err == nil {
				t.Error("the request succeeded")
			}
			mustEnd(t, s)
		})
	}
}

// TestAGreetingOfAbsurdLengthIsNotWaitedFor sends nothing but the length.
func TestAGreetingOfAbsurdLengthIsNotWaitedFor(t *testing.T) {
	ours, theirs := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.ReadFull(theirs, make([]byte, 9))
		_, _ = theirs.Write(u32(0xfffffff0))
		_, _ = io.Copy(io.Discard, theirs)
	}()
	if _, err := Open(t.Context(), ours, Options{Stall: 5 * time.Second}); !errors.Is(err, ErrProtocol) {
		t.Errorf("got %v", err)
	}
	<-done
}

func TestAnUnaskedPacketEndsAnIdleSession(t *testing.T) {
	s := converse(t, Options{}, nil, func(p *peer) { p.status(1, 0, "hello") })
	mustEnd(t, s)
}

func TestWhatDoesNotGreetAsAServerIsRefused(t *testing.T) {
	version := func(fields []byte) []byte {
		return append(u32(uint32(1+len(fields))), append([]byte{typeVersion}, fields...)...)
	}
	for name, greeting := range map[string]struct {
		say  []byte
		want string
	}{
		"shell greeting":     {[]byte("Welcome to \x1b[1mnas\x1b[0m!\n"), `the login prints text first: "Welcome to \x1b[1mnas\x1b[0m!\n"`},
		"noise":              {bytes.Repeat([]byte{0xfe}, 50), "does not begin with a VERSION"},
		"version 2":          {version(u32(2)), "version 2"},
		"version 6":          {version(u32(6)), "version 6"},
		"no version":         {append(u32(5), typeStatus, 0, 0, 0, 3), "VERSION"},
		"cut extension":      {version(u32(3, 9, 9)), "within a field"},
		"extension unpaired": {version(append(u32(3), appendString(nil, "name")...)), "within a field"},
		"endless version":    {append(u32(1<<20), typeVersion), "VERSION"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Open(context.Background(), &canned{Reader: bytes.NewReader(greeting.say)}, Options{})
			if !errors.Is(err, ErrProtocol) || !strings.Contains(err.Error(), greeting.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// canned is a connection on which the other side says one thing and hangs up.
type canned struct {
	io.Reader
	closed bool
}

func (c *canned) Write(p []byte) (int, error) { return len(p), nil }

func (c *canned) Close() error {
	c.closed = true
	return nil
}

func TestAServerThatHangsUpAtOnceIsLostNotWrong(t *testing.T) {
	for _, say := range []string{"", "\x00\x00", "\x00\x00\x00\x05\x02", "\x00\x00\x00\x05\x02\x00\x00"} {
		conn := &canned{Reader: strings.NewReader(say)}
		if _, err := Open(context.Background(), conn, Options{}); !errors.Is(err, ErrLost) || errors.Is(err, ErrProtocol) {
			t.Errorf("after %q: %v", say, err)
		}
		if !conn.closed {
			t.Errorf("after %q the connection stays open", say)
		}
	}
}

func TestNamesThatAreNoSingleElementAreRefusedByName(t *testing.T) {
	for _, name := range []string{"", "/", "a/..", "../a", "/etc/passwd", "a\x00b"} {
		s := converse(t, Options{}, nil, func(p *peer) {
			p.send(typeHandle, p.next().id, appendString(nil, "h"))
			for r := p.next(); r.typ != 0; r = p.next() {
				switch r.typ {
				case typeReaddir:
					p.send(typeName, r.id, names("good", name, "also good"))
				default:
					p.status(r.id, 4, "")
				}
			}
		})
		var err error
		for _, err = range s.ListDir(context.Background(), "dir") {
			if err != nil {
				break
			}
		}
		if !errors.Is(err, ErrName) || !strings.Contains(err.Error(), `"`+strings.ReplaceAll(name, "\x00", `\x00`)+`"`) {
			t.Errorf("%q: %v", name, err)
		}
		if s.Err() != nil {
			t.Errorf("the session ended: %v", s.Err())
		}
		fails(t, s, Lstat("a"), ErrFailure)
	}
}

func TestDotsAreLeftOutOfListings(t *testing.T) {
	s := converse(t, Options{}, nil, func(p *peer) { p.send(typeName, p.next().id, names(".", "a", "..", "...")) })
	if items := must(t, s, Readdir(aHandle)); len(items) != 2 || items[0].Name != "a" || items[1].Name != "..." {
		t.Errorf("got %v", items)
	}
}

func TestAListingWithoutEndAndWithoutNamesIsRefused(t *testing.T) {
	for _, list := range [][]string{{}, {"."}, {".", "..", "."}} {
		s := converse(t, Options{}, nil, func(p *peer) {
			p.send(typeHandle, p.next().id, appendString(nil, "h"))
			for r := p.next(); r.typ != 0; r = p.next() {
				p.send(typeName, r.id, names(list...))
			}
		})
		for _, err := range s.ListDir(context.Background(), "dir") {
			if !errors.Is(err, ErrProtocol) {
				t.Errorf("got %v", err)
			}
		}
		mustEnd(t, s)
	}
}

func TestAnEndlessListingEndsWhenTheCallerHasEnough(t *testing.T) {
	s := converse(t, Options{}, nil, func(p *peer) {
		p.send(typeHandle, p.next().id, appendString(nil, "h"))
		for r := p.next(); r.typ != 0; r = p.next() {
			if r.typ == typeReaddir {
				p.send(typeName, r.id, names(fmt.Sprint("a", r.id), fmt.Sprint("b", r.id)))
			} else {
				p.status(r.id, 0, "")
			}
		}
	})
	seen := 0
	for _, err := range s.ListDir(context.Background(), "dir") {
		if seen++; err != nil || seen == 5000 {
			break
		}
	}
	if seen != 5000 || s.Err() != nil {
		t.Errorf("%d names, %v", seen, s.Err())
	}
}

func TestLinkTargetsThatCannotBeAreRefused(t *testing.T) {
	for _, target := range []string{"", "a\x00b"} {
		s := converse(t, Options{}, nil, func(p *peer) { p.send(typeName, p.next().id, names(target)) })
		fails(t, s, Readlink("a"), ErrName)
		if s.Err() != nil {
			t.Errorf("the session ended: %v", s.Err())
		}
	}
}

func TestPathsThatCannotBeAreNotSent(t *testing.T) {
	s := converse(t, Options{}, everything, func(*peer) {})
	fails(t, s, Lstat(""), ErrName)
	fails(t, s, Lstat("a\x00b"), ErrName)
	fails(t, s, Rename("a", ""), ErrName)
	fails(t, s, Symlink("a\x00", "b"), ErrName)
	fails(t, s, Hardlink("a", "b\x00"), ErrName)
	fails(t, s, Lstat(strings.Repeat("a/", 200000)), ErrName)
	for _, ask := range []func(*Session) error{
		asking(Read(aHandle, -1, make([]byte, 1))), asking(Read(aHandle, 0, nil)), asking(Read(aHandle, 0, make([]byte, maxContent+1))),
		asking(Write(aHandle, -1, nil)), asking(Write(aHandle, 0, make([]byte, safeContent+1))),
		asking(UsersGroups(make([]uint32, 600), make([]uint32, 600))),
	} {
		if ask(s) == nil {
			t.Error("what cannot be was sent")
		}
	}
	if n := s.Load(); n != 0 || s.Err() != nil {
		t.Errorf("%d requests under way, %v", n, s.Err())
	}
}

func TestWhatAServerSaysIsMadeHarmless(t *testing.T) {
	s := converse(t, Options{}, nil, func(p *peer) {
		p.status(p.next().id, 4, "\x1b]0;owned\x07\r\nnext\x9b\u202e"+strings.Repeat("long ", 1000))
	})
	_, err := Do(context.Background(), s, Lstat("a"))
	if !errors.Is(err, ErrFailure) || len(err.Error()) > 300 || !strings.HasPrefix(err.Error(), `lstat a: failure: \x1b]0;owned\a\r\nnext\x9b\u202elong`) {
		t.Errorf("got %q", err)
	}
}
