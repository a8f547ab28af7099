/// Cuts a line of an OpenSSH client configuration into keyword and arguments, as readconf.c and misc.c do.
struct SSHConfigurationLexer {
    /// One line that says something.
    struct Statement: Sendable, Hashable {
        /// In lower case.
        let keyword: String
        /// The arguments with quotes and escapes resolved; nil when a quote is not closed.
        let arguments: [String]?
        /// Everything after the keyword as it stands, for the one keyword that is not made of arguments.
        let rest: String
        /// Bytes of the line before the arguments.
        let offset: Int
    }

    /// The statement of a line without its line feed; nil when it is empty or a comment.
    static func statement(_ line: ArraySlice<UInt8>) -> Statement? {
        var text = line.prefix { $0 != 0 }
        while let last = text.last, isWhiteSpace(last) || last == 0x0C { text.removeLast() }
        var rest = text
        guard var keyword = token(&rest) else { return nil }
        // A line that begins with white space has an empty first token.
        if keyword.isEmpty {
            guard let second = token(&rest) else { return nil }
            keyword = second
        }
        guard let first = keyword.first, first != UInt8(ascii: "#") else { return nil }
        rest = rest.drop(while: isWhiteSpace)
        return Statement(
            keyword: String(decoding: keyword.asciiLowercased, as: UTF8.self),
            arguments: arguments(of: rest),
            rest: String(decoding: rest, as: UTF8.self),
            offset: rest.startIndex - line.startIndex
        )
    }

    /// The next word up to white space or one equals sign, or nil for an open quote; a quoted part may hold both.
    private static func token(_ rest: inout ArraySlice<UInt8>) -> [UInt8]? {
        let quote = UInt8(ascii: "\"")
        let end = rest.firstIndex { isWhiteSpace($0) || $0 == quote || $0 == UInt8(ascii: "=") }
        guard let end else {
            defer { rest = rest[rest.endIndex...] }
            return Array(rest)
        }
        if rest[end] == quote {
            guard let close = rest[(end + 1)...].firstIndex(of: quote) else { return nil }
            let word = Array(rest[..<end]) + rest[(end + 1)..<close]
            rest = rest[(close + 1)...].drop(while: isWhiteSpace)
            return word
        }
        let word = Array(rest[..<end])
        let endsInEquals = rest[end] == UInt8(ascii: "=")
        rest = rest[(end + 1)...].drop(while: isWhiteSpace)
        if !endsInEquals, rest.first == UInt8(ascii: "=") { rest = rest.dropFirst().drop(while: isWhiteSpace) }
        return word
    }

    /// Words separated by blanks, with single and double quotes, backslash escapes and a comment at the end.
    private static func arguments(of text: ArraySlice<UInt8>) -> [String]? {
        let single = UInt8(ascii: "'")
        let double = UInt8(ascii: "\"")
        let backslash = UInt8(ascii: "\\")
        let space = UInt8(ascii: " ")
        var arguments: [String] = []
        var index = text.startIndex
        while index < text.endIndex {
            if isBlank(text[index]) {
                index += 1
                continue
            }
            if text[index] == UInt8(ascii: "#") { break }
            var word: [UInt8] = []
            var quote: UInt8?
            while index < text.endIndex {
                let byte = text[index]
                let next = index + 1 < text.endIndex ? text[index + 1] : 0
                if byte == backslash {
                    let escapes = next == single || next == double || next == backslash || quote == nil && next == space
                    if escapes { index += 1 }
                    word.append(text[index])
                } else if quote == nil, isBlank(byte) {
                    break
                } else if quote == nil, byte == single || byte == double {
                    quote = byte
                } else if byte == quote {
                    quote = nil
                } else {
                    word.append(byte)
                }
                index += 1
            }
            if quote != nil { return nil }
            arguments.append(String(decoding: word, as: UTF8.self))
        }
        return arguments
    }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }

    private static func isWhiteSpace(_ byte: UInt8) -> Bool { isBlank(byte) || byte == 0x0D || byte == 0x0A }
}
