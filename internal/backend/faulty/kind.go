package faulty

import "io/fs"

// Kind is a way to fail together with the operations that can fail in it.
type Kind struct {
	// Name is a few words for the names of tests.
	Name   string
	Fault  Fault
	Sticky bool
	// On is the method that the kind concerns; "" stands for all.
	On string
	// Lies says that the storage breaks its contract and does not say so. What it did not keep, or does not list, no program can
	// make good: the most that can be asked is that nothing wrong is taken for right. What it sends damaged is found by checking.
	Lies bool
}

// At returns an injector that lets the n-th of the operations that k concerns fail.
func (k Kind) At(n int) *Injector {
	i := &Injector{At: n, Fault: k.Fault, Sticky: k.Sticky}
	if k.On != "" {
		i.Filter = func(op Op) bool { return op.Method == k.On }
	}
	return i
}

// Kinds returns every way to fail.
func Kinds() []Kind {
	return []Kind{
		{Name: "connection lost", Fault: Fault{Err: ErrFault}},
		{Name: "answer lost", Fault: Fault{Err: ErrFault, Effect: Whole}},
		{Name: "permission denied", Fault: Fault{Err: fs.ErrPermission}},
		{Name: "dead from now on", Fault: Fault{Err: ErrFault}, Sticky: true},
		{Name: "read-only from now on", Fault: Fault{Err: fs.ErrPermission}, Sticky: true, On: "Put"},
		{Name: "torn put", Fault: Fault{Err: ErrFault, Effect: Half}, On: "Put"},
		{Name: "listing breaks off", Fault: Fault{Err: ErrFault, Effect: Half}, On: "List"},
		{Name: "doubled listing", Fault: Fault{Effect: Doubled}, On: "List"},
		{Name: "killed before", Fault: Kill(Nothing)},
		{Name: "killed within", Fault: Kill(Half), On: "Put"},
		{Name: "killed after", Fault: Kill(Whole)},

		{Name: "truncated get", Fault: Fault{Effect: Half}, On: "Get", Lies: true},
		{Name: "flipped get", Fault: Fault{Effect: Flipped}, On: "Get", Lies: true},
		{Name: "exists, it says", Fault: Fault{Err: fs.ErrExist}, On: "Put", Lies: true},
		{Name: "absent, it says", Fault: Fault{Err: fs.ErrNotExist}, On: "Get", Lies: true},
		{Name: "put forgotten", Fault: Fault{}, On: "Put", Lies: true},
		{Name: "put cut short", Fault: Fault{Effect: Half}, On: "Put", Lies: true},
		{Name: "put flipped", Fault: Fault{Effect: Flipped}, On: "Put", Lies: true},
		{Name: "delete forgotten", Fault: Fault{}, On: "Delete", Lies: true},
		{Name: "short listing", Fault: Fault{Effect: Half}, On: "List", Lies: true},
		{Name: "empty listing", Fault: Fault{}, On: "List", Lies: true},
	}
}
