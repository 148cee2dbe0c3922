package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestAPushOverTheQuotaOfItsKeyIsRefusedAndLeavesNothing(t *testing.T) {
	p := push(t)
	client, _ := p.appender("m", "--quota", "3M")
	big := filepath.Join(p.src, "big")
	p.write(big, strings.Repeat("0123456789", 160<<10))
	client.good("backup", "-s", p.far, "--series", "m", p.src)
	p.holds("m")
	p.write(big, strings.Repeat("abcdefghij", 160<<10))
	p.must(os.Chtimes(big, time.Unix(1, 0), time.Unix(1, 0)))
	client.fails(exitFailed, []string{"it would exceed the quota of 3.0 MiB: 1.", "\nhint: who looks after that store"}, "backup", "-s", p.far, "--series", "m", p.src)
	if list := p.settled("m"); len(list) != 1 {
		t.Errorf("the server has %+v", list)
	}
	if left, err := os.ReadDir(filepath.Join(p.store, ".varve/partial")); err != nil || len(left) > 0 {
		t.Errorf("left over: %v, %v", left, err)
	}
	p.must(os.Remove(big))
	client.good("backup", "-s", p.far, "--series", "m", p.src)
	p.holds("m")
}
