package sftp

// None is the result of a request that only succeeds or fails.
type None = struct{}

// Request is something to ask of a server, with the type of what it answers. It can be sent any number of times.
//
// Paths are the server's: slashes, raw bytes, absolute or relative to the directory that the login leads to ("."). ErrName where
// one is empty or holds a NUL.
type Request[T any] struct {
	ask    ask
	decode func(*decoder) (T, error)
}

// ask is what all kinds of requests have in common.
type ask struct {
	op   string // for errors
	path string // for errors
	typ  byte   // of the packet
	want byte   // the type of an answer that is not a refusal
	// ext is needed; empty for what every server knows.
	ext Extension
	// body appends the fields after the ID.
	body func([]byte) []byte
	// size is how many bytes of content the packet or its answer carries.
	size int
	// slow says that a server may take minutes with good reason.
	slow bool
	// err is why the request must not be sent.
	err error
}

// Handle stands for a file or directory that a server has opened.
type Handle struct {
	raw  string
	path string
}

// Path is the path that h was opened with.
func (h Handle) Path() string { return h.path }

// newAsk returns the ask for a path, which comes first in the packet.
func newAsk(op string, typ byte, path string) ask {
	return ask{
		op: op, path: path, typ: typ, want: typeStatus, err: checkPath(path),
		body: func(b []byte) []byte { return appendString(b, path) },
	}
}

// handleAsk returns the ask for a handle, which comes first in the packet.
func handleAsk(op string, typ byte, h Handle) ask {
	return ask{
		op: op, path: h.path, typ: typ, want: typeStatus,
		body: func(b []byte) []byte { return appendString(b, h.raw) },
	}
}

// extended makes a an extended request: the name of the extension goes before its fields.
func (a ask) extended(ext Extension) ask {
	fields := a.body
	a.typ, a.ext = typeExtended, ext
	a.body = func(b []byte) []byte { return fields(appendString(b, ext)) }
	return a
}

// with adds fields to the packet.
func (a ask) with(more func([]byte) []byte) ask {
	fields := a.body
	a.body = func(b []byte) []byte { return more(fields(b)) }
	return a
}

// answer returns the request whose answer is of the type want.
func answer[T any](a ask, want byte, decode func(*decoder) (T, error)) Request[T] {
	a.want = want
	return Request[T]{ask: a, decode: decode}
}

// plain returns the request that is answered with a status alone.
func plain(a ask) Request[None] {
	return answer(a, typeStatus, func(*decoder) (None, error) { return None{}, nil })
}

func attrsAnswer(a ask) Request[Attrs] {
	return answer(a, typeAttrs, func(d *decoder) (Attrs, error) {
		attrs := d.attrs()
		return attrs, d.err
	})
}

func handleAnswer(a ask) Request[Handle] {
	return answer(a, typeHandle, func(d *decoder) (Handle, error) {
		return Handle{raw: d.handle(), path: a.path}, d.err
	})
}

func (d *decoder) handle() string {
	raw := d.bytes()
	if d.err == nil && (len(raw) == 0 || len(raw) > maxHandle) {
		d.fail("a handle of %d bytes", len(raw))
	}
	return string(raw)
}

// pathAnswer is for the requests whose answer is one path.
func pathAnswer(a ask) Request[string] {
	return answer(a, typeName, func(d *decoder) (string, error) {
		if n := d.count(nameSize); n != 1 {
			d.fail("%d names in answer to %s", n, a.op)
		}
		path := d.string()
		if d.err != nil {
			return "", d.err
		}
		return path, checkPath(path)
	})
}
