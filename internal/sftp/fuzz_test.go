package sftp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
)

func FuzzAnswers(f *testing.F) {
	f.Add(names("a", ".", "b/c"))
	f.Add(appendString(nil, "handle"))
	f.Add(u32(4, 3, 0x41414141, 0))
	f.Add(appendAttrs(nil, Attrs{Fields: Size | Owner | Mode | Times, Size: 5, Mode: 0o100644}))
	f.Add(append(u32(uint32(Extended), 1), appendString(appendString(nil, "name"), "value")...))
	f.Add(appendString(appendString(nil, appendString(nil, "root")), appendString(nil, "wheel")))
	f.Add(make([]byte, 88))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, decode := range []func(*testing.T, []byte){
			decodes(Readdir(aHandle)), decodes(Lstat("a")), decodes(Opendir("a")), decodes(Readlink("a")), decodes(Statvfs("a")),
			decodes(UsersGroups([]uint32{0}, []uint32{0})), decodes(Read(aHandle, 0, make([]byte, 10))), decodes(askLimits()),
		} {
			decode(t, data)
		}
		items, err := Readdir(aHandle).decode(&decoder{data: data})
		for _, item := range items {
			if checkName(item.Name) != nil || err != nil {
				t.Errorf("a listing with the name %q, %v", item.Name, err)
			}
		}
		d := &decoder{data: data}
		if err := d.status(); err != nil && strings.ContainsAny(err.Error(), "\x00\x07\x1b\n\r") {
			t.Errorf("an error commands the terminal: %q", err)
		}
	})
}

// decodes returns a check that an answer is understood or refused by name.
func decodes[T any](r Request[T]) func(*testing.T, []byte) {
	return func(t *testing.T, data []byte) {
		_, err := r.decode(&decoder{data: data})
		if err != nil && !errors.Is(err, ErrProtocol) && !errors.Is(err, ErrName) {
			t.Errorf("%s: %v", r.ask.op, err)
		}
	}
}

func FuzzSession(f *testing.F) {
	hello := append(u32(5), typeVersion, 0, 0, 0, 3)
	all := []byte{typeVersion, 0, 0, 0, 3}
	for _, word := range append(everything, "limits@openssh.com", "1") {
		all = appendString(all, word)
	}
	join := func(packets ...[]byte) []byte { return bytes.Join(packets, nil) }
	f.Add([]byte(nil))
	f.Add([]byte("Welcome!\n"))
	f.Add(hello)
	f.Add(join(hello, packet(typeHandle, 1, appendString(nil, "h")), packet(typeName, 3, names("a")), packet(typeStatus, 2, u32(1))))
	f.Add(join(hello, packet(typeData, 2, appendString(nil, "abc")), packet(typeData, 2, appendString(nil, "abc"))))
	f.Add(join(u32(uint32(len(all))), all, packet(typeExtendedReply, 1, make([]byte, 32)), packet(typeAttrs, 2, u32(0))))
	f.Add(join(hello, u32(maxPacket), []byte{typeStatus, 0, 0, 0, 1}))
	f.Fuzz(func(t *testing.T, says []byte) {
		s, err := Open(context.Background(), &canned{Reader: bytes.NewReader(says)}, Options{})
		if err != nil {
			return
		}
		var crew sync.WaitGroup
		for _, ask := range []func(*Session) error{
			asking(Lstat("a")), asking(Fsync(aHandle)), asking(UsersGroups([]uint32{1}, nil)), asking(Statvfs("a")), listsAll, readsAll,
		} {
			crew.Go(func() { _ = ask(s) }) // any outcome will do, so long as there is one
		}
		crew.Wait()
		<-s.Lost()
		if err := s.Err(); !errors.Is(err, ErrLost) {
			t.Errorf("the session ended with %v", err)
		}
		s.Close()
	})
}

func listsAll(s *Session) error {
	for _, err := range s.ListDir(context.Background(), "dir") {
		if err != nil {
			return err
		}
	}
	return nil
}

func readsAll(s *Session) error {
	_, err := io.Copy(io.Discard, s.NewReader(context.Background(), aHandle, 0, -1, 0))
	return err
}
