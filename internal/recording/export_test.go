package recording

var ReadLimited = read
