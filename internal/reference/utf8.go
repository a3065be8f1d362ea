package reference

// decode is the UTF-8 decoder of the Encoding standard, section 8.1.1, with the error
// mode "replacement", state by state.
func decode(stream []byte) []rune {
	var (
		text         []rune
		codePoint    rune
		seen, needed int
		lower, upper = byte(0x80), byte(0xBF)
	)
	for i := 0; i < len(stream); i++ {
		b := stream[i]
		if needed == 0 {
			switch {
			case b <= 0x7F:
				text = append(text, rune(b))
			case b >= 0xC2 && b <= 0xDF:
				needed, codePoint = 1, rune(b&0x1F)
			case b >= 0xE0 && b <= 0xEF:
				if b == 0xE0 {
					lower = 0xA0
				}
				if b == 0xED {
					upper = 0x9F
				}
				needed, codePoint = 2, rune(b&0x0F)
			case b >= 0xF0 && b <= 0xF4:
				if b == 0xF0 {
					lower = 0x90
				}
				if b == 0xF4 {
					upper = 0x8F
				}
				needed, codePoint = 3, rune(b&0x07)
			default:
				text = append(text, '\uFFFD')
			}
			continue
		}
		if b < lower || b > upper {
			codePoint, needed, seen, lower, upper = 0, 0, 0, 0x80, 0xBF
			text = append(text, '\uFFFD')
			i-- // the byte is looked at again
			continue
		}
		lower, upper = 0x80, 0xBF
		codePoint = codePoint<<6 | rune(b&0x3F)
		seen++
		if seen == needed {
			text = append(text, codePoint)
			codePoint, needed, seen = 0, 0, 0
		}
	}
	if needed != 0 {
		text = append(text, '\uFFFD')
	}
	return text
}
