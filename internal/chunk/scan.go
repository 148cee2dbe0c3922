package chunk

// scan goes on with the hash h over data, up to and with the first byte that makes the hash 0 in all bits of mask. It returns how many
// bytes that are; where there is no such byte, it returns 0 and the hash after all of data.
//
// Two bytes make one step: the doubled table spares a shift of the hash, which is what each byte has to wait for. Between the
// two the hash is twice what it should be, and so is the mask that it meets; what is lost at the top no mask has a bit for.
func (c *Chunker) scan(data []byte, h, mask uint64) (int, uint64) {
	double := mask << 1
	i := 1
	for ; i < len(data); i += 2 {
		h = h<<2 + c.double[data[i-1]]
		if h&double == 0 {
			return i, 0
		}
		h += c.table[data[i]]
		if h&mask == 0 {
			return i + 1, 0
		}
	}
	if i == len(data) {
		h = h<<1 + c.table[data[i-1]]
		if h&mask == 0 {
			return i, 0
		}
	}
	return 0, h
}
