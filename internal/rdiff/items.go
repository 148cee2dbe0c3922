package rdiff

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"varve"
)

// item is one record of a file with metadata: a path and the lines below the one that names it.
type item struct {
	path string
	text string
}

// The first words of records.
const (
	attrHead = "File "
	fileHead = "# file: "
)

// maxRecord is how long a record may be, in bytes.
const maxRecord = 1 << 22

// items reads the records of one file with metadata, which must be in pre-order.
type items struct {
	name   string
	ctx    context.Context
	src    *stream
	lines  *bufio.Reader
	head   string
	unwrap func(string) string
	began  bool
	line   string // the first line of the next record; empty at the end
	now    item
	ended  bool
	count  int
}

// items opens a file with metadata and reads its first record.
func (r *Repository) items(ctx context.Context, i increment, head string, unwrap func(string) string) (*items, error) {
	src, err := r.stream(i)
	if err != nil {
		return nil, err
	}
	s := &items{name: i.dir + "/" + i.name, ctx: ctx, src: src, lines: bufio.NewReader(src), head: head, unwrap: unwrap}
	if err = s.start(); err == nil {
		err = s.next()
	}
	if err != nil {
		return nil, errors.Join(err, src.Close())
	}
	return s, nil
}

// start reads the line that the first record begins with.
func (s *items) start() error {
	line, err := s.readLine()
	if err == nil && line != "" && !strings.HasPrefix(line, s.head) {
		err = fmt.Errorf("%w: it does not begin with a record", varve.ErrDamaged)
	}
	s.line = line
	return s.wrap(err)
}

// wrap names the file.
func (s *items) wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("read %s: %w", s.name, err)
}

// next reads the next record into now, or sets ended.
func (s *items) next() error {
	if s.line == "" {
		s.ended, s.now = true, item{}
		return nil
	}
	if s.count++; s.count%1024 == 0 {
		if err := s.ctx.Err(); err != nil {
			return err
		}
	}
	path, err := checkPath(s.unwrap(s.line[len(s.head) : len(s.line)-1]))
	if err != nil {
		return s.wrap(fmt.Errorf("%w: %w", varve.ErrDamaged, err))
	}
	if s.began && comparePreorder(s.now.path, path) >= 0 {
		return s.wrap(fmt.Errorf("%w: %q does not come after %q", varve.ErrDamaged, path, s.now.path))
	}
	text, err := s.body()
	s.began, s.now = true, item{path, text}
	return s.wrap(err)
}

// body reads the lines up to the next record, and the first one of that.
func (s *items) body() (string, error) {
	var text strings.Builder
	for {
		line, err := s.readLine()
		if err != nil {
			return "", err
		}
		if line == "" || strings.HasPrefix(line, s.head) {
			s.line = line
			return text.String(), nil
		}
		if text.Len()+len(line) > maxRecord {
			return "", fmt.Errorf("%w: a record of more than %d bytes", varve.ErrDamaged, maxRecord)
		}
		text.WriteString(line)
	}
}

// readLine reads one line with its end; empty at the end of the file.
func (s *items) readLine() (string, error) {
	var line []byte
	for {
		part, err := s.lines.ReadSlice('\n')
		if len(line)+len(part) > maxRecord {
			return "", fmt.Errorf("%w: a line of more than %d bytes", varve.ErrDamaged, maxRecord)
		}
		if err == nil && line == nil {
			return string(part), nil
		}
		line = append(line, part...)
		switch {
		case err == nil:
			return string(line), nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(line) == 0:
			return "", nil
		case errors.Is(err, io.EOF):
			return "", fmt.Errorf("%w: its last line has no end", varve.ErrDamaged)
		default:
			return "", err
		}
	}
}

// seek goes on to path and returns its text; empty where there is no record of it. Records that it passes over are counted.
func (s *items) seek(path string) (text string, passed int, err error) {
	for !s.ended {
		c := comparePreorder(s.now.path, path)
		if c == 0 {
			text = s.now.text
		}
		if c > 0 {
			break
		}
		if c < 0 {
			passed++
		}
		if err := s.next(); err != nil {
			return "", passed, err
		}
	}
	return text, passed, nil
}

// Close closes the file.
func (s *items) Close() error { return s.src.Close() }
