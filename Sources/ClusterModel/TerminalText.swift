extension String {
    /// This text with everything a terminal could obey made visible: control characters, escapes and bidi overrides.
    ///
    /// Names, remote output and journal contents are shown only through this; newline and tab stay as they are.
    package var escapedForTerminal: String {
        guard unicodeScalars.contains(where: { !$0.isPlainInTerminal }) else { return self }
        var shown = ""
        for scalar in unicodeScalars {
            if scalar.isPlainInTerminal {
                shown.unicodeScalars.append(scalar)
            } else if scalar.value < 0x100 {
                let hex = String(scalar.value, radix: 16)
                shown += "\\x" + (hex.count < 2 ? "0" : "") + hex
            } else {
                shown += "\\u{" + String(scalar.value, radix: 16) + "}"
            }
        }
        return shown
    }

    /// Like `escapedForTerminal`, with newlines and tabs made visible as well: fit for one cell or one message.
    package var escapedOnOneLine: String {
        var shown = ""
        for character in escapedForTerminal.unicodeScalars {
            switch character {
            case "\n": shown += "\\n"
            case "\t": shown += "\\t"
            default: shown.unicodeScalars.append(character)
            }
        }
        return shown
    }
}

extension Unicode.Scalar {
    fileprivate var isPlainInTerminal: Bool {
        switch value {
        case 0x0A, 0x09: true
        case 0x00...0x1F, 0x7F...0x9F: false
        case 0x061C, 0x200B...0x200F, 0x2028...0x202E, 0x2060...0x206F, 0xFEFF, 0xFFF9...0xFFFB: false
        // Tags, which no terminal shows.
        case 0xE0000...0xE007F: false
        default: true
        }
    }
}
