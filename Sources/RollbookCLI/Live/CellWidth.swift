import ClusterModel

/// How many cells of a terminal a text takes; never less than what a terminal makes of it.
///
/// Source: Unicode's East Asian Width (UAX #11), wide and fullwidth; what is ambiguous there counts as one cell, as terminals
/// outside of East Asian legacy locales have it. Tests compare every scalar with the C library's `wcwidth`.
enum CellWidth {
    /// Scalars of one character that are kept; more would only pile up on one cell.
    private static let mostScalars = 5

    static func of(_ text: some StringProtocol) -> Int { text.unicodeScalars.reduce(0) { $0 + of($1) } }

    static func of(_ scalar: Unicode.Scalar) -> Int {
        let value = scalar.value
        if value < 0x300 { return 1 }
        // An emoji presentation selector makes the character before it wide, in some terminals.
        if value == 0xFE0F { return 1 }
        if isWide(scalar) { return 2 }
        switch scalar.properties.generalCategory {
        case .nonspacingMark, .enclosingMark: return 0
        default: return 1
        }
    }

    private static func isWide(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x1100...0x115F, 0x2329...0x232A, 0x2E80...0x303E, 0x3041...0xA4CF, 0xA960...0xA97F, 0xAC00...0xD7A3,
            0xD7B0...0xD7FF, 0xF900...0xFAFF, 0xFE10...0xFE19, 0xFE30...0xFE6F, 0xFF01...0xFF60, 0xFFE0...0xFFE6,
            0x16FE0...0x18FFF, 0x1AFF0...0x1B2FF, 0x1D300...0x1D37F, 0x1F1E6...0x1F265, 0x20000...0x3FFFD:
            !isCombining(scalar)
        default: scalar.properties.isEmojiPresentation
        }
    }

    private static func isCombining(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .nonspacingMark, .enclosingMark: true
        default: false
        }
    }

    /// The text in at most `cells` cells, ended by `…` where something was left out.
    static func clip(_ text: String, to cells: Int) -> String {
        guard cells > 0 else { return "" }
        var kept = ""
        var used = 0
        /// What still fits when the mark of omission has to stand at its end.
        var marked = ""
        for character in text {
            let scalars = character.unicodeScalars.prefix(mostScalars)
            let width = scalars.reduce(0) { $0 + of($1) }
            guard used + width <= cells else { return marked + "…" }
            kept.unicodeScalars.append(contentsOf: scalars)
            used += width
            if used < cells { marked = kept }
        }
        return kept
    }

    /// The text in exactly `cells` cells: clipped, or filled with spaces.
    static func fit(_ text: String, to cells: Int) -> String {
        let clipped = clip(text, to: cells)
        return clipped + String(repeating: " ", count: max(0, cells - of(clipped)))
    }
}
