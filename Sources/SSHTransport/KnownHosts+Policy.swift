extension KnownHosts: HostKeyPolicy {
    /// The types of the keys that would be trusted for this host, in OpenSSH's order of preference.
    ///
    /// Offering these first keeps a host whose `ecdsa` key is not listed from looking changed when its listed
    /// `ssh-ed25519` key is at hand. `ssh-rsa` is a key type here; its signatures are `rsa-sha2-512` or `rsa-sha2-256`.
    /// As with OpenSSH, the bare name gives no preference for a host on another port.
    package func knownKeyTypes(forHost name: String, port: Int) -> [String] {
        let found = lines(for: Self.listedName(name, port: port))
        let revoked = Set(found.filter { $0.marker == .revoked }.map(\.key))
        let types = Set(found.filter { $0.marker == .none && !revoked.contains($0.key) }.map(\.key.type))
        return KnownHostsKey.types.filter(types.contains)
    }

    /// What strict checking says of `key` (sshconnect.c, `check_host_key` with `StrictHostKeyChecking=yes`).
    ///
    /// - A line `@revoked` with this key decides, wherever it stands.
    /// - Then the same key on any line of the host makes it trusted.
    /// - Then any other key of the host, *of whatever type*, makes it changed: key types known for the host are asked
    ///   for first, so a server that shows another type does not have the key it had.
    /// - A host unknown under `[host]:port` is trusted when the bare name lists this very key, as OpenSSH does it.
    ///
    /// `@cert-authority` lines never make a host known.
    package func verdict(forHost name: String, port: Int, keyType: String, key: [UInt8]) -> HostKeyVerdict {
        let offered = HostKeyFingerprint.text(ofKey: key, fallbackType: keyType)
        let verdict = Self.judge(key, by: lines(for: Self.listedName(name, port: port)), offered: offered)
        guard port != 22, case .unknown = verdict else { return verdict }
        switch Self.judge(key, by: lines(for: name), offered: offered) {
        case .trusted: return .trusted
        case .revoked: return .revoked(offered: offered)
        // Another key under the bare name belongs to the server on port 22.
        case .changed, .unknown: return verdict
        }
    }

    private static func judge(_ key: [UInt8], by lines: [KnownHostsLine], offered: String) -> HostKeyVerdict {
        if lines.contains(where: { $0.marker == .revoked && $0.key.blob == key }) { return .revoked(offered: offered) }
        let listed = lines.filter { $0.marker == .none }
        if listed.contains(where: { $0.key.blob == key }) { return .trusted }
        var known: [String] = []
        for line in listed {
            let text = HostKeyFingerprint.text(ofKey: line.key.blob, fallbackType: line.key.type)
            if !known.contains(text) { known.append(text) }
        }
        return known.isEmpty ? .unknown(offered: offered) : .changed(known: known, offered: offered)
    }
}
