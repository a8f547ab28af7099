import ClusterModel

/// One line of the live view: what stands in it, and how it is to be taken.
///
/// The tone only repeats what the line says, for those who see colours.
struct LiveLine: Sendable, Hashable {
    enum Tone: Sendable, Hashable { case plain, strong, good, bad, doubtful, faint }

    let text: String
    let tone: Tone

    init(_ text: String, _ tone: Tone = .plain) {
        self.text = text.escapedOnOneLine
        self.tone = tone
    }

    /// The line with the colours of ECMA-48 (SGR), or as it is.
    func painted(inColour: Bool) -> String {
        guard inColour, let code else { return text }
        return "\u{1B}[\(code)m\(text)\u{1B}[0m"
    }

    private var code: String? {
        switch tone {
        case .plain: nil
        case .strong: "1"
        case .good: "32"
        case .bad: "1;31"
        case .doubtful: "33"
        case .faint: "2"
        }
    }
}
