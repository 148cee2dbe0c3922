package config

import (
	"errors"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// kind is what a value is.
type kind uint8

const (
	aTable kind = iota
	aList
	aString
	aBool
	aNumber
	aFraction
	aDate
)

// String names the kind in messages.
func (k kind) String() string {
	return [...]string{"a table", "a list", "a text", "true or false", "a number", "a fraction", "a date"}[k]
}

// span is a piece of the file in bytes.
type span struct{ from, to int }

// node is a value of the file, with its place.
type node struct {
	kind kind
	// at is where the value stands; of a table that has a line of its own, that line's last key.
	at span
	// key is where its key stands; that of the list for an element of one.
	key  span
	text string // of a text, and as it stands in the file of what is neither table nor list

	items []*node          // of a list
	table map[string]*node // of a table
	keys  []string         // of a table, in the order of the file
	own   bool             // false where it was taken from the defaults
}

func newTable(key span) *node {
	return &node{kind: aTable, at: key, key: key, table: map[string]*node{}, own: true}
}

// put adds a value to a table.
func (n *node) put(key string, value *node) {
	if n.table[key] == nil {
		n.keys = append(n.keys, key)
	}
	n.table[key] = value
}

// integer returns the value of a number.
func (n *node) integer() (int64, error) {
	if n.kind != aNumber {
		return 0, errors.New("want a number, got " + n.kind.String())
	}
	return strconv.ParseInt(strings.ReplaceAll(n.text, "_", ""), 0, 64)
}

// child returns the table or the last table of the list under a key, which is made where there is none.
func (n *node) child(key string, at span) *node {
	next := n.table[key]
	if next == nil {
		next = newTable(at)
		n.put(key, next)
	}
	if next.kind == aList && len(next.items) > 0 {
		next = next.items[len(next.items)-1]
	}
	return next
}

// tree is a file while it is taken apart.
type tree struct {
	parser unstable.Parser
	root   *node
	table  *node // that the next lines are about
}

// grow returns the values of a file that is known to be right.
func grow(data []byte) (*node, error) {
	t := &tree{root: newTable(span{})}
	t.table = t.root
	t.parser.Reset(data)
	for t.parser.NextExpression() {
		switch e := t.parser.Expression(); e.Kind {
		case unstable.KeyValue:
			t.keyValue(t.table, e)
		case unstable.Table:
			t.table = t.walk(t.root, e.Key(), 0)
		case unstable.ArrayTable:
			t.table = t.element(e)
		}
	}
	return t.root, t.parser.Error()
}

// walk goes down a dotted key but for its last so many parts.
func (t *tree) walk(n *node, parts unstable.Iterator, but int) *node {
	keys := t.keys(parts)
	for _, k := range keys[:len(keys)-but] {
		if n = n.child(k.text, k.at); n.kind != aTable {
			return newTable(k.at) // cannot be: the file would not be right
		}
	}
	return n
}

// keys returns the parts of a dotted key.
func (t *tree) keys(parts unstable.Iterator) []node {
	var keys []node
	for parts.Next() {
		k := parts.Node()
		keys = append(keys, node{text: string(k.Data), at: spanOf(k.Raw)})
	}
	return keys
}

func spanOf(r unstable.Range) span { return span{int(r.Offset), int(r.Offset + r.Length)} }

// element adds a table to a list of tables.
func (t *tree) element(e *unstable.Node) *node {
	above := t.walk(t.root, e.Key(), 1)
	keys := t.keys(e.Key())
	last := keys[len(keys)-1]
	list := above.table[last.text]
	if list == nil || list.kind != aList {
		list = &node{kind: aList, at: last.at, key: last.at, own: true}
		above.put(last.text, list)
	}
	list.items = append(list.items, newTable(last.at))
	return list.items[len(list.items)-1]
}

// keyValue adds the value of a line, or of an inline table, to a table.
func (t *tree) keyValue(n *node, e *unstable.Node) {
	keys := t.keys(e.Key())
	last := keys[len(keys)-1]
	line := spanOf(e.Raw)
	value := t.value(e.Value(), span{t.afterEquals(last.at.to), line.to})
	value.key = last.at
	t.walk(n, e.Key(), 1).put(last.text, value)
}

// afterEquals returns where the value begins whose key ends at an offset.
func (t *tree) afterEquals(at int) int {
	data := t.parser.Data()
	for at < len(data) && strings.IndexByte(" \t=", data[at]) >= 0 {
		at++
	}
	return at
}

// value returns a value; at is where it stands, for those that do not know it themselves.
func (t *tree) value(e *unstable.Node, at span) *node {
	n := &node{kind: kindOf(e.Kind), at: at, text: string(e.Data), own: true}
	switch n.kind {
	case aTable:
		n.table, n.at.from = map[string]*node{}, int(e.Raw.Offset)
		for children := e.Children(); children.Next(); {
			if c := children.Node(); c.Kind == unstable.KeyValue {
				t.keyValue(n, c)
			}
		}
	case aList:
		for children := e.Children(); children.Next(); {
			item := t.value(children.Node(), at)
			item.key = item.at
			n.items = append(n.items, item)
		}
	default:
		n.at = spanOf(e.Raw)
	}
	return n
}

func kindOf(k unstable.Kind) kind {
	switch k {
	case unstable.InlineTable:
		return aTable
	case unstable.Array:
		return aList
	case unstable.String:
		return aString
	case unstable.Bool:
		return aBool
	case unstable.Integer:
		return aNumber
	case unstable.Float:
		return aFraction
	}
	return aDate
}
