/// A set of page numbers at one bit each: 64 KiB for a database of 2 GiB.
struct PageBitmap {
    private var words: [UInt64]
    private(set) var count = 0

    init(pages: UInt64) {
        words = [UInt64](repeating: 0, count: Int(clamping: pages / 64 + 1))
    }

    func contains(_ page: UInt64) -> Bool {
        let word = Int(clamping: page / 64)
        return word < words.count && words[word] & (1 << (page % 64)) != 0
    }

    /// Adds `page`, which the caller has checked to exist; false if it was there already.
    mutating func insert(_ page: UInt64) -> Bool {
        let word = Int(clamping: page / 64)
        guard word < words.count, words[word] & (1 << (page % 64)) == 0 else { return false }
        words[word] |= 1 << (page % 64)
        count += 1
        return true
    }
}
