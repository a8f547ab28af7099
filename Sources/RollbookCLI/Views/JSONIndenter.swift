import ClusterModel
import FoundationEssentials

/// JSON as it is stored, with line breaks and two spaces a level: no number is rounded, no key is moved.
enum JSONIndenter {
    /// The text, or nil where `bytes` are no JSON; what a terminal could obey is written as `\u` escapes.
    static func text(of bytes: [UInt8]) -> String? {
        guard let source = String(validating: bytes, as: UTF8.self),
            (try? JSONDecoder().decode(AnyDocument.self, from: Data(bytes))) != nil
        else { return nil }
        var output = Output()
        for scalar in source.unicodeScalars { output.add(scalar) }
        return output.text
    }

    /// Decodes nothing: the decoder has checked the document by then.
    private struct AnyDocument: Decodable { init(from decoder: any Decoder) throws {} }

    private struct Output {
        private(set) var text = ""
        private var depth = 0
        private var isInString = false
        private var isEscaped = false
        /// Whether a bracket was opened and nothing came after it yet.
        private var isOpen = false

        mutating func add(_ scalar: Unicode.Scalar) {
            if isInString { return addToString(scalar) }
            switch scalar {
            case " ", "\t", "\n", "\r": return
            case "}", "]":
                depth -= 1
                if !isOpen { breakLine() }
                isOpen = false
                text.unicodeScalars.append(scalar)
                return
            default: break
            }
            if isOpen { breakLine() }
            isOpen = false
            text.unicodeScalars.append(scalar)
            switch scalar {
            case "{", "[":
                depth += 1
                isOpen = true
            case ",": breakLine()
            case ":": text += " "
            case "\"": isInString = true
            default: break
            }
        }

        private mutating func addToString(_ scalar: Unicode.Scalar) {
            if isEscaped {
                isEscaped = false
            } else if scalar == "\\" {
                isEscaped = true
            } else if scalar == "\"" {
                isInString = false
            }
            let shown = String(scalar)
            guard scalar.value > 0x7e, shown.escapedForTerminal != shown else {
                text += shown
                return
            }
            // All of them have at most four digits.
            let digits = String(scalar.value, radix: 16)
            text += "\\u" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
        }

        private mutating func breakLine() {
            text += "\n" + String(repeating: "  ", count: max(0, depth))
        }
    }
}
