/// One jump host as `ProxyJump` names it: `[user@]host[:port]` or `ssh://[user@]host[:port]`.
package struct SSHConfigurationHop: Sendable, Hashable {
    package let user: String?
    /// A name or an address; an IPv6 address without its brackets.
    package let host: String
    package let port: Int?

    package init(user: String?, host: String, port: Int?) {
        self.user = user
        self.host = host
        self.port = port
    }

    /// Reads one element of a `ProxyJump` list; nil when it is not valid.
    package init?(_ written: some StringProtocol) {
        var rest = Substring(written)
        if rest.lowercased().hasPrefix("ssh://") {
            rest = rest.dropFirst(6)
            if rest.last == "/" { rest = rest.dropLast() }
        }
        if let at = rest.lastIndex(of: "@") {
            let name = rest[..<at]
            guard !name.isEmpty, !name.contains("/") else { return nil }
            user = String(name)
            rest = rest[rest.index(after: at)...]
        } else {
            user = nil
        }
        let name: Substring
        if rest.first == "[" {
            guard let close = rest.firstIndex(of: "]") else { return nil }
            name = rest[rest.index(after: rest.startIndex)..<close]
            rest = rest[rest.index(after: close)...]
        } else {
            name = rest.prefix { $0 != ":" }
            rest = rest[name.endIndex...]
        }
        // What a shell, a terminal or an option parser could take for something else is no host name.
        let foreign = " \t/@[]'`\"$\\;&<>|(){}*?!,#"
        guard let first = name.first, first != "-", !name.contains(where: { foreign.contains($0) || $0.isNewline })
        else {
            return nil
        }
        host = String(name)
        guard let colon = rest.first else {
            port = nil
            return
        }
        let digits = rest.dropFirst()
        guard colon == ":" else { return nil }
        // `host:` is what OpenSSH takes as a host without a port.
        if digits.isEmpty {
            port = nil
        } else {
            guard let number = SSHConfigurationParser.port(digits) else { return nil }
            port = number
        }
    }

    /// `user@host:port` with brackets around an IPv6 address.
    package var text: String {
        var text = user.map { "\($0)@" } ?? ""
        text += host.contains(":") ? "[\(host)]" : host
        if let port { text += ":\(port)" }
        return text
    }
}
