import ClusterModel

/// Turns the text of configuration files into statements (readconf.c, `process_config_line_depth`).
struct SSHConfigurationParser {
    typealias Include = (_ pattern: String, _ from: String) throws(OperatorMessage) -> [SSHConfiguration.File]

    private(set) var diagnostics: [Diagnostic] = []

    /// How deep files may include each other, as OpenSSH has it (`READCONF_MAX_DEPTH`).
    private static let maximumDepth = 16
    /// Set when files include each other too deep; nothing more is included then.
    private var isTooDeep = false

    /// The statements of a file and of what it includes.
    mutating func parse(
        _ file: SSHConfiguration.File,
        depth: Int = 0,
        include: Include
    ) throws(OperatorMessage) -> [SSHConfiguration.Item] {
        var items: [SSHConfiguration.Item] = []
        let lines = file.bytes.split(separator: 0x0A, omittingEmptySubsequences: false)
        for (index, line) in lines.enumerated() {
            guard let statement = SSHConfigurationLexer.statement(line) else { continue }
            let place = Place(file: file.path, line: index + 1, column: statement.offset + 1, text: line)
            guard let keyword = Keyword(rawValue: statement.keyword) else { continue }
            if statement.rest.isEmpty {
                report(.error, place, "\(keyword.rawValue) has no argument")
            } else if keyword == .include {
                items.append(.include(try included(statement, place, depth: depth, include: include)))
            } else if let item = item(keyword, statement, place) {
                items.append(item)
            }
        }
        return items
    }

    /// A port number of 1 to 65535 in decimal, or the service name `ssh`.
    static func port(_ text: some StringProtocol) -> Int? {
        if text == "ssh" { return 22 }
        let digits = text.first == "+" ? text.dropFirst() : text[...]
        guard !digits.isEmpty, digits.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }), let number = Int(digits),
            (1...65535).contains(number)
        else { return nil }
        return number
    }

    /// The keywords that are understood, in lower case.
    private enum Keyword: String {
        case host, match, include
        case hostName = "hostname"
        case user, port
        case identityFile = "identityfile"
        case identitiesOnly = "identitiesonly"
        case proxyJump = "proxyjump"
        case proxyCommand = "proxycommand"
        case userKnownHostsFile = "userknownhostsfile"
        case hostKeyAlias = "hostkeyalias"
    }

    private struct Place {
        let file: String
        let line: Int
        let column: Int
        let text: ArraySlice<UInt8>

        var location: SourceLocation { SourceLocation(file: file, line: line, column: column) }
    }

    private mutating func report(
        _ severity: Diagnostic.Severity,
        _ place: Place,
        _ message: String,
        suggestion: String? = nil
    ) {
        let shown = place.text.count <= 200 ? String(decoding: place.text, as: UTF8.self) : nil
        diagnostics.append(
            Diagnostic(severity, at: place.location, message, suggestion: suggestion, sourceLine: shown)
        )
    }

    private mutating func item(
        _ keyword: Keyword,
        _ statement: SSHConfigurationLexer.Statement,
        _ place: Place
    ) -> SSHConfiguration.Item? {
        // These two take the line as it is, quotes and all.
        if keyword == .proxyJump { return proxyJump(statement.rest, place) }
        if keyword == .proxyCommand { return .setting(.proxyCommand(statement.rest), place.location) }
        guard let arguments = statement.arguments else {
            report(.error, place, "a quote is not closed")
            return nil
        }
        switch keyword {
        case .host:
            guard !arguments.contains("") else {
                report(.error, place, "an empty pattern")
                return .host([])
            }
            return .host(arguments.map { HostPattern(written: $0.utf8) })
        case .match:
            return match(arguments, place)
        case .userKnownHostsFile:
            guard !arguments.isEmpty, !arguments.contains(""),
                arguments.count == 1 || !arguments.contains(where: { $0.lowercased() == "none" })
            else {
                report(.error, place, "file names, or none alone, are expected")
                return nil
            }
            let isNone = arguments.count == 1 && arguments[0].lowercased() == "none"
            return .setting(.userKnownHostsFiles(isNone ? ["none"] : arguments), place.location)
        default:
            guard arguments.count == 1, let argument = arguments.first, !argument.isEmpty else {
                report(.error, place, "\(keyword.rawValue) takes one argument")
                return nil
            }
            return setting(keyword, argument, place).map { .setting($0, place.location) }
        }
    }

    private mutating func setting(
        _ keyword: Keyword,
        _ argument: String,
        _ place: Place
    ) -> SSHConfiguration.Setting? {
        switch keyword {
        case .hostName:
            // OpenSSH refuses such a name only where it is used; kept as it is, it cannot be connected to either.
            if !SSHConfigurationTokens.isHostName(argument) {
                report(.warning, place, "a host name may hold the tokens %h and %% only")
            }
            return .hostName(argument)
        case .port:
            if let port = Self.port(argument) { return .port(port) }
            report(.error, place, "'\(argument)' is not a port", suggestion: "a number from 1 to 65535")
        case .identitiesOnly:
            switch argument.lowercased() {
            case "yes", "true": return .identitiesOnly(true)
            case "no", "false": return .identitiesOnly(false)
            default: report(.error, place, "'\(argument)' is neither yes nor no")
            }
        case .user: return .user(argument)
        case .identityFile: return .identityFile(argument)
        case .hostKeyAlias: return .hostKeyAlias(argument)
        case .host, .match, .include, .proxyJump, .proxyCommand, .userKnownHostsFile: break
        }
        return nil
    }

    private mutating func match(_ arguments: [String], _ place: Place) -> SSHConfiguration.Item {
        if arguments.first?.lowercased() == "all" {
            if arguments.count == 1 { return .matchAll }
            report(.error, place, "'all' cannot be combined with other conditions")
        } else {
            report(
                .warning,
                place,
                "only 'Match all' is supported; this block is not used",
                suggestion: "use Host, or set it in the inventory"
            )
        }
        return .matchNothing
    }

    private mutating func proxyJump(_ text: String, _ place: Place) -> SSHConfiguration.Item? {
        // The first word counts, after any number of `=`, and a # ends it wherever it stands.
        let word = text.drop { "= \t".contains($0) }.prefix { $0 != "#" && $0 != " " && $0 != "\t" }
        if word.lowercased() == "none" { return .setting(.proxyJump([]), place.location) }
        let hops = word.split(separator: ",", omittingEmptySubsequences: false).map(SSHConfigurationHop.init)
        let valid = hops.compactMap(\.self)
        guard valid.count == hops.count else {
            report(
                .error,
                place,
                "'\(word)' is not a list of jump hosts",
                suggestion: "[user@]host[:port], … or none"
            )
            return nil
        }
        return .setting(.proxyJump(valid), place.location)
    }

    private mutating func included(
        _ statement: SSHConfigurationLexer.Statement,
        _ place: Place,
        depth: Int,
        include: Include
    ) throws(OperatorMessage) -> [[SSHConfiguration.Item]] {
        guard let patterns = statement.arguments, !patterns.isEmpty, !patterns.contains("") else {
            report(.error, place, statement.arguments == nil ? "a quote is not closed" : "file names are expected")
            return []
        }
        var files: [[SSHConfiguration.Item]] = []
        for pattern in patterns {
            if pattern.contains("[") {
                report(.warning, place, "'\(pattern)': sets in brackets are not supported, so nothing is included")
            }
            for file in try include(pattern, place.file) {
                guard !isTooDeep else { return files }
                guard depth < Self.maximumDepth else {
                    isTooDeep = true
                    report(.error, place, "files include each other more than \(Self.maximumDepth) deep")
                    return files
                }
                files.append(try parse(file, depth: depth + 1, include: include))
            }
        }
        return files
    }
}
