/// Which texts are which values: one way to write each, so that no reader of YAML can take it for something else.
enum ScalarForms {
    /// `0`, `17`, `-3`: decimal, no plus, no leading zero, no separators; nil for anything else or beyond 64 bits.
    static func integer(_ text: String) -> Int64? {
        let digits = text.hasPrefix("-") ? text.dropFirst() : text[...]
        guard !digits.isEmpty, digits.utf8.allSatisfy(isDigit), digits == "0" || !digits.hasPrefix("0"), text != "-0"
        else {
            return nil
        }
        return Int64(text)
    }

    /// `true` or `false`, nothing else.
    static func boolean(_ text: String) -> Bool? {
        switch text {
        case "true": true
        case "false": false
        default: nil
        }
    }

    /// `90s`, `10m`, `2h`, `1d`: a canonical whole number and one unit; at most ten years.
    static func duration(_ text: String) -> Duration? {
        guard let unit = text.last, let number = integer(String(text.dropLast())), number >= 0 else { return nil }
        let scale: Int64
        switch unit {
        case "s": scale = 1
        case "m": scale = 60
        case "h": scale = 3600
        case "d": scale = 86400
        default: return nil
        }
        let (seconds, overflows) = number.multipliedReportingOverflow(by: scale)
        guard !overflows, seconds <= 3650 * 86400 else { return nil }
        return .seconds(seconds)
    }

    /// The shortest text that `duration` reads as this duration, cut to whole seconds.
    static func text(_ duration: Duration) -> String {
        let seconds = duration.components.seconds
        for (scale, unit) in [(86400, "d"), (3600, "h"), (60, "m")] as [(Int64, String)] {
            if seconds >= scale, seconds.isMultiple(of: scale) { return "\(seconds / scale)\(unit)" }
        }
        return "\(seconds)s"
    }

    /// `1.31.4` or `v1.31.4`: three canonical numbers.
    static func isKubernetesVersion(_ text: String) -> Bool {
        let digits = text.hasPrefix("v") ? text.dropFirst() : text[...]
        let parts = digits.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 3 && parts.allSatisfy { integer(String($0)).map { $0 >= 0 } ?? false }
    }

    /// What another reader of YAML takes this unquoted text for, or nil when it is only a text (or the same number).
    ///
    /// Source: the scalar rules of YAML 1.1 (yaml.org/type) as PyYAML, Ruby and the Go readers still apply them.
    static func misreading(ofPlain text: String) -> String? {
        // Most texts are words of more than five letters; the long way is for the others.
        guard text.utf8.count <= 5 || text.utf8.first.map({ "0123456789+-.".utf8.contains($0) }) == true else {
            return nil
        }
        switch text {
        case "", "~", "null", "Null", "NULL": return "nothing"
        case "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON": return "the boolean true"
        case "false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF": return "the boolean false"
        default: break
        }
        if integer(text) != nil { return nil }
        return isOtherNumber(text) ? "a number that is written differently" : nil
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

    /// `010`, `+5`, `2_2`, `0x1f`, `0o17`, `0b1`, `22:22` (base 60), `1e3`, `.5`, `5.`, `1.30`, `.inf`, `.nan`.
    private static func isOtherNumber(_ text: String) -> Bool {
        var body = Substring(text)
        if let sign = body.first, sign == "-" || sign == "+" { body = body.dropFirst() }
        let lower = body.lowercased()
        if [".inf", ".nan"].contains(lower) { return true }
        for (prefix, digits) in [("0x", "0123456789abcdef_"), ("0o", "01234567_"), ("0b", "01_")] {
            if lower.hasPrefix(prefix), lower.count > 2, lower.dropFirst(2).allSatisfy(digits.contains) { return true }
        }
        guard let first = body.utf8.first, isDigit(first) || first == UInt8(ascii: ".") else { return false }
        guard body.utf8.contains(where: isDigit) else { return false }
        if body.utf8.allSatisfy({ isDigit($0) || $0 == UInt8(ascii: "_") }) { return true }
        if isBaseSixty(body) { return true }
        return isFraction(lower[...], isCanonicalAllowed: text.utf8.first.map(isDigit) ?? false)
    }

    private static func isBaseSixty(_ body: Substring) -> Bool {
        let parts = body.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count > 1 else { return false }
        return parts.enumerated().allSatisfy { index, part in
            !part.isEmpty && part.utf8.allSatisfy { isDigit($0) || index == 0 && $0 == UInt8(ascii: "_") }
                && (index == 0 || part.utf8.count <= 2)
        }
    }

    /// `1.5` alone is read alike by everybody and stays a text.
    private static func isFraction(_ body: Substring, isCanonicalAllowed: Bool) -> Bool {
        let halves = body.split(separator: "e", maxSplits: 1, omittingEmptySubsequences: false)
        guard let mantissa = halves.first else { return false }
        let parts = mantissa.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count <= 2, parts.contains(where: { !$0.isEmpty }),
            parts.allSatisfy({ $0.utf8.allSatisfy { isDigit($0) || $0 == UInt8(ascii: "_") } })
        else { return false }
        if halves.count == 2 {
            let exponent = halves[1].first.map { $0 == "-" || $0 == "+" } == true ? halves[1].dropFirst() : halves[1]
            return !exponent.isEmpty && exponent.utf8.allSatisfy(isDigit)
        }
        guard isCanonicalAllowed, parts.count == 2, let whole = parts.first, let fraction = parts.last else {
            return true
        }
        let isCanonical =
            integer(String(whole)) != nil && !fraction.isEmpty && !fraction.hasSuffix("0") && !body.contains("_")
        return !isCanonical
    }
}
