extension Duration {
    /// Whole seconds: `45 s` for 45.02 s.
    var roundedText: String { Duration.seconds(components.seconds).text }

    /// `10 s`, or `1.5 s`: for messages.
    var text: String {
        let milliseconds = components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000
        let rest = milliseconds % 1000
        guard rest != 0 else { return "\(milliseconds / 1000) s" }
        let digits = String(1000 + rest).dropFirst()
        return "\(milliseconds / 1000).\(digits.prefix(digits.hasSuffix("00") ? 1 : 3)) s"
    }
}
