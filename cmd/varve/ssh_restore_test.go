package main

import (
	"strings"
	"testing"

	"varve/internal/sshtest"
)

func TestARestoreOverSFTPThatLacksFractionsOfSecondsAloneIsGood(t *testing.T) {
	o := start(t, sshtest.Options{})
	o.plant(o.at("src"))
	o.good("backup", "--init", "-s", "store", "--series", "s", o.at("src"))
	restore := []string{"restore", "-s", "store", "latest:" + o.at("src"), "-t", o.far("out")}
	for _, action := range []string{"create", "same"} { // the second time nothing is done again
		r := o.call(exitGood, append(restore, "--json")...)
		if strings.Count(r.out, `"event":"coarse"`) != 1 || strings.Count(r.out, `"event":"`+action+`"`) == 0 && action == "create" ||
			strings.Contains(r.out, `"event":"update"`) || strings.Contains(r.out, `"event":"replace"`) {
			t.Errorf("%s: it says\n%s", action, r.out)
		}
	}
	if r := o.call(exitGood, restore...); r.out != "" || strings.Count(r.errs, "\n") != 1 || !strings.Contains(r.errs, "are kept to the second") {
		t.Errorf("it says %q and %q", r.out, r.errs)
	}
	o.good(append(restore, "--quiet")...)
	o.equal(o.there("out"), o.at("src"), plainly)
}
