package main

import "testing"

func TestAKeyThatIsBoundToASeriesNeedsNotNameIt(t *testing.T) {
	p := push(t)
	client, _ := p.appender("bound")
	client.good("backup", "-s", p.far, p.src)
	p.holds("bound")
	client.good("backup", "-s", p.far, "--series", "bound", p.src)
	client.fails(exitFailed, []string{`bound to series "bound": name that one`}, "backup", "-s", p.far, "--series", "other", p.src)
	if list := p.list(); len(list) != 2 {
		t.Errorf("the store has %+v", list)
	}
}
