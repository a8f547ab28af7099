/// The values of the `%` tokens in paths of the client configuration (ssh_config(5) "TOKENS").
///
/// They are known only after the inventory has had its say, so paths are expanded last.
package struct SSHConfigurationTokens: Sendable, Hashable {
    /// A path that cannot be expanded, as a sentence without its full stop.
    package struct Problem: Error, Sendable, Hashable {
        package let text: String
    }

    /// The home directory of the local user, for `%d` and `~`.
    package var home: String
    /// The name of the local user, for `%u`.
    package var localUser: String
    /// The name of the user on the host, for `%r`.
    package var remoteUser: String
    /// The name or address that is connected to, for `%h`.
    package var host: String
    /// The port on the host, for `%p`.
    package var port: Int
    /// The name as it was given, for `%n`.
    package var alias: String
    /// The name under which the host key is listed, for `%k`; `alias` stands in when there is none.
    package var hostKeyAlias: String?

    package init(
        home: String,
        localUser: String,
        remoteUser: String,
        host: String,
        port: Int,
        alias: String,
        hostKeyAlias: String? = nil
    ) {
        self.home = home
        self.localUser = localUser
        self.remoteUser = remoteUser
        self.host = host
        self.port = port
        self.alias = alias
        self.hostKeyAlias = hostKeyAlias
    }

    /// The path that `template` stands for: first `~/`, then the tokens, as OpenSSH does it.
    ///
    /// Throws for `~user/`, for `${VARIABLE}` and for tokens that say something about this machine (`%i`, `%l`, `%L`,
    /// `%C`, `%j`): they would make a run depend on where it is started.
    package func expand(_ template: String) throws(Problem) -> String {
        var text = template
        if template == "~" || template.hasPrefix("~/") {
            text = home + template.dropFirst()
        } else if template.hasPrefix("~") {
            throw Problem(text: "'\(template)': ~user is not supported; write the path out")
        }
        if text.contains("${") { throw Problem(text: "'\(template)': ${…} is not supported; write the path out") }
        let replaced = Self.replaceTokens(in: text) { token in
            switch token {
            case "d": home
            case "u": localUser
            case "r": remoteUser
            case "h": host
            case "p": String(port)
            case "n": alias
            case "k": hostKeyAlias ?? alias
            default: nil
            }
        }
        guard let replaced else {
            throw Problem(text: "'\(template)': only the tokens %% %d %h %k %n %p %r %u are supported")
        }
        return replaced
    }

    /// The value of a HostName, in which only `%h`, the alias, and `%%` are allowed; with others it stays as it is.
    static func hostName(_ template: String, alias: String) -> String {
        replaceTokens(in: template) { $0 == "h" ? alias : nil } ?? template
    }

    /// Whether a HostName can be expanded at all.
    static func isHostName(_ template: String) -> Bool {
        replaceTokens(in: template) { $0 == "h" ? "" : nil } != nil
    }

    /// Replaces `%x` by the value of `x` and `%%` by `%`; nil when there is no such token.
    private static func replaceTokens(in text: String, _ value: (Character) -> String?) -> String? {
        var replaced = ""
        var rest = text[...]
        while let percent = rest.firstIndex(of: "%") {
            replaced += rest[..<percent]
            rest = rest[rest.index(after: percent)...]
            guard let token = rest.popFirst() else { return nil }
            if token == "%" {
                replaced += "%"
            } else {
                guard let value = value(token) else { return nil }
                replaced += value
            }
        }
        return replaced + rest
    }
}
