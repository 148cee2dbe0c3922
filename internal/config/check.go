package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"

	"varve/internal/disk"
	"varve/internal/match"
)

// checker finds what makes no sense in a file whose values are of the right types.
type checker struct {
	*decoder
	options Options
	config  *Config
	root    *node
}

// table returns the table of a store, job or notice.
func (c *checker) table(what, name string) *node { return c.root.table[what].table[name] }

func (c *checker) checkAll() {
	places := map[string]string{}
	for _, s := range c.config.Stores {
		n := c.table("store", s.Name)
		c.store(n, s)
		if other := places[s.Place]; other != "" && n.table["place"] != nil {
			c.fault(n.table["place"], "is the place of the store %s, too", other)
		}
		places[s.Place] = s.Name
	}
	for _, j := range c.config.Jobs {
		c.job(c.table("job", j.Name), j)
	}
	c.checkSeries()
	for _, notice := range c.config.Notices {
		c.notice(c.table("notice", notice.Name), notice)
	}
}

// on calls f with the value of a key, if there is one of the right kind.
func (n *node) on(key string, want kind, f func(*node)) {
	if n.kind != aTable {
		return
	}
	if value := n.table[key]; value != nil && value.kind == want {
		f(value)
	}
}

// path checks the path on this machine under a key, and puts its shortest form, without "~", into to.
func (c *checker) path(n *node, key string, to *string) {
	n.on(key, aString, func(value *node) {
		path, err := c.options.local(*to)
		c.check(value, err)
		*to = path
	})
}

// paths is path for a list.
func (c *checker) paths(n *node, key string, to []string) { c.shorten(n, key, to, c.options.local) }

// shorten puts what short makes of the elements of a list in their place.
func (c *checker) shorten(n *node, key string, to []string, short func(string) (string, error)) {
	n.on(key, aList, func(list *node) {
		for i, value := range list.items {
			if value.kind != aString {
				continue
			}
			path, err := short(to[i])
			c.check(value, err)
			to[i] = path
		}
		c.once(list, to)
	})
}

// local returns a path on this machine in its shortest form.
func (o Options) local(path string) (string, error) {
	if path == "~" || strings.HasPrefix(path, "~/") {
		if o.Home == "" {
			return path, errors.New("the home directory is not known: write an absolute path")
		}
		path = filepath.Join(o.Home, path[1:])
	}
	if !strings.HasPrefix(path, "/") {
		return path, fmt.Errorf("%q is not an absolute path", path)
	}
	return filepath.Clean(path), nil
}

// place returns a path on this machine in its shortest form, or a place on another machine as it is.
func (o Options) place(text string) (string, error) {
	before, _, colon := strings.Cut(text, ":")
	if !colon || before == "" || strings.Contains(before, "/") {
		return o.local(text)
	}
	if o.Place == nil {
		return text, nil
	}
	return text, o.Place(text)
}

// once notes the elements of a list that were there before.
func (c *checker) once(list *node, values []string) {
	seen := map[string]bool{}
	for i, value := range values {
		if list.items[i].kind == aString && seen[value] {
			c.fault(list.items[i], "%q is there twice", value)
		}
		seen[value] = true
	}
}

// each checks every element of a list.
func (c *checker) each(n *node, key string, values []string, check func(string) error) {
	n.on(key, aList, func(list *node) {
		for i, value := range values {
			if list.items[i].kind == aString {
				c.check(list.items[i], check(value))
			}
		}
	})
}

// names checks a list of names of stores or jobs.
func (c *checker) names(n *node, key string, values []string, what string) {
	c.each(n, key, values, func(name string) error {
		tables := c.root.table[what]
		if tables == nil || tables.table[name] == nil {
			return fmt.Errorf("there is no %s %q", what, name)
		}
		return nil
	})
	n.on(key, aList, func(list *node) { c.once(list, values) })
}

// checkName returns an error where text cannot name a store, job or notice: such names become those of units and files.
func checkName(text string) error {
	for i := range len(text) {
		b := text[i]
		if !(b|0x20 >= 'a' && b|0x20 <= 'z' || b >= '0' && b <= '9' || i > 0 && (b == '-' || b == '_')) {
			return fmt.Errorf("name %q: want letters, digits, - and _", text)
		}
	}
	if text == "" || len(text) > 64 {
		return fmt.Errorf("name %q: want 1 to 64 letters", text)
	}
	return nil
}

// checkLabel returns an error where text cannot name a series, a host or a tag.
func checkLabel(text string) error {
	switch {
	case text == "":
		return errors.New("is empty")
	case len(text) > 1000:
		return fmt.Errorf("has %d bytes; 1000 are allowed", len(text))
	}
	for _, r := range text {
		if r == utf8.RuneError || !strconv.IsPrint(r) {
			return errors.New("only printable characters are allowed")
		}
	}
	return nil
}

// checkTags returns an error where text is not a list of tags, separated by commas.
func checkTags(text string) error {
	for tag := range strings.SplitSeq(text, ",") {
		if err := checkLabel(tag); err != nil {
			return fmt.Errorf("tag %q: %w", tag, err)
		}
	}
	return nil
}

// checkTag returns an error where text is not one tag.
func checkTag(text string) error {
	if strings.Contains(text, ",") {
		return fmt.Errorf("tag %q: has a comma; write two", text)
	}
	return checkTags(text)
}

// checkPattern returns an error where text is not a pattern of what to leave out.
func checkPattern(text string) error {
	_, err := match.Parse(text, "exclude")
	return err
}

// checkMark returns an error where text is not NAME or NAME:HEADER.
func checkMark(text string) error {
	name, header, found := strings.Cut(text, ":")
	if err := disk.CheckName(name); err != nil {
		return fmt.Errorf("name %q: %w", name, err)
	}
	if found && header == "" {
		return errors.New("nothing stands after the colon")
	}
	return nil
}

// checkFilePath returns an error where text does not say where a file is in a snapshot.
func checkFilePath(text string) error {
	if !strings.HasPrefix(text, "/") || text == "/" || filepath.Clean(text) != text {
		return fmt.Errorf("%q is not the absolute path of a file in its shortest form", text)
	}
	return nil
}

// checkMachine returns an error where text is not what ssh calls a machine.
func checkMachine(text string) error {
	_, host, found := strings.Cut(text, "@")
	if !found {
		host = text
	}
	if host == "" || text[0] == '-' || text[0] == '@' || strings.ContainsFunc(text, unfit) || strings.Contains(host, "@") {
		return fmt.Errorf("%q is not host or user@host", text)
	}
	return nil
}

// checkUser returns an error where text cannot be the name of a user.
func checkUser(text string) error {
	if text == "" || text[0] == '-' || strings.ContainsFunc(text, unfit) || strings.ContainsAny(text, ":/@") {
		return fmt.Errorf("%q is not the name of a user", text)
	}
	return nil
}

// unfit reports whether a character has no place in the name of a machine or user.
func unfit(r rune) bool { return r <= ' ' || r == 0x7f || r == utf8.RuneError || !strconv.IsPrint(r) }

// checkURL returns an error where text is not the address of something that speaks HTTP.
func checkURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Host == "", strings.ContainsFunc(text, unfit):
		return errors.New("is not a URL that begins with https:// or http://")
	case u.User != nil:
		return errors.New("a secret must not stand in this file: put the URL into a file, and name that with url-file")
	}
	return nil
}

// checkServer returns an error where text is not HOST:PORT.
func checkServer(text string) error {
	host, port, err := net.SplitHostPort(text)
	n, errPort := strconv.ParseUint(port, 10, 16)
	if err != nil || errPort != nil || n == 0 || host == "" || strings.ContainsFunc(host, unfit) {
		return fmt.Errorf("%q is not a server as host:port", text)
	}
	return nil
}
