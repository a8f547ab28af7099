import ClusterModel

/// A place in a file: 1-based line, and 1-based column counted in Unicode scalars, as libyaml counts.
struct Mark: Hashable, Comparable {
    var line: Int
    var column: Int

    static func < (left: Mark, right: Mark) -> Bool { (left.line, left.column) < (right.line, right.column) }
}

/// The bytes of one manifest and where its lines begin; a byte order mark is taken off.
struct SourceText {
    /// More than any inventory of 5,000 hosts needs, and little enough to hold several times over.
    static let sizeLimit = 8 << 20

    let path: String
    let bytes: [UInt8]
    private let lineStarts: [Int]

    init(_ bytes: [UInt8], path: String) {
        self.path = path
        self.bytes = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? Array(bytes.dropFirst(3)) : bytes
        var starts = [0]
        for (index, byte) in self.bytes.enumerated() where byte == UInt8(ascii: "\n") { starts.append(index + 1) }
        lineStarts = starts
    }

    /// The number of lines, with the empty one after a last newline.
    var lineCount: Int { lineStarts.count }

    /// Bytes of a line without its `\n` or `\r\n`; empty when there is no such line.
    func lineBytes(_ number: Int) -> ArraySlice<UInt8> {
        guard lineStarts.indices.contains(number - 1) else { return [] }
        let start = lineStarts[number - 1]
        let end = number < lineStarts.count ? lineStarts[number] - 1 : bytes.count
        let line = bytes[start..<end]
        return line.last == UInt8(ascii: "\r") ? line.dropLast() : line
    }

    /// The line for a caret, or nil when it is too long to be of help to a reader, or may hold a private key.
    func lineForCaret(_ number: Int) -> String? {
        let line = lineBytes(number)
        guard !line.isEmpty, line.count <= 400, let text = String(validating: line, as: UTF8.self) else { return nil }
        return isPrivateKey(text) ? nil : text
    }

    func location(_ mark: Mark) -> SourceLocation {
        SourceLocation(file: path, line: mark.line, column: mark.column)
    }
}

/// Whether a text has the marks of a private key of age, OpenSSH or PEM; such a text is never shown.
func isPrivateKey(_ text: String) -> Bool {
    let upper = text.uppercased()
    return upper.contains("AGE-SECRET-KEY-") || upper.contains("PRIVATE KEY-----")
}

extension String {
    /// At most 80 characters of it, for messages.
    var shortened: String { count <= 80 ? self : prefix(79) + "…" }
}
