package walk

import "varve"

// batch is tasks in the order in which they are needed. They are made when their turn comes, since there may be very many.
type batch struct {
	next, size int
	path       func(i int) string // the directory that the i-th task is about
	at         func(i int) *task  // nil where the i-th is not needed any more; crew.mu is held
}

// dir returns the directory of the task that is next.
func (b *batch) dir() string { return b.path(b.next) }

// queue is a heap of batches with the one of the task that is needed soonest at its top.
type queue []*batch

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return varve.CompareDirs(q[i].dir(), q[j].dir()) < 0 }
func (q queue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)        { *q = append(*q, x.(*batch)) }

func (q *queue) Pop() any {
	last := len(*q) - 1
	b := (*q)[last]
	(*q)[last], *q = nil, (*q)[:last]
	return b
}
