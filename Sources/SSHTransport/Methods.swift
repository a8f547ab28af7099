import CLibSSH2

/// Which algorithms are offered, in which order.
///
/// No SHA-1, group exchange only as the last resort (it costs 21 ms of CPU where curve25519 costs 1.3), and AES-GCM
/// before ChaCha20, because libssh2's own ChaCha20 is slow. What the loaded library lacks is left out, so that 1.10 and
/// 1.11 both serve.
enum Methods {
    static let keyExchange = [
        "curve25519-sha256", "curve25519-sha256@libssh.org", "ecdh-sha2-nistp256", "ecdh-sha2-nistp384",
        "ecdh-sha2-nistp521", "diffie-hellman-group16-sha512", "diffie-hellman-group18-sha512",
        "diffie-hellman-group14-sha256", "diffie-hellman-group-exchange-sha256",
    ]
    /// Not methods but signs in the same list: this end takes extensions (RFC 8308) and numbers its packets strictly.
    ///
    /// The latter is the defence against Terrapin (CVE-2023-48795). libssh2 1.11 has both, and a list of one's own that
    /// lacks them turns them off.
    static let keyExchangeSigns = ["ext-info-c", "kex-strict-c-v00@openssh.com"]
    static let ciphers = [
        "aes256-gcm@openssh.com", "aes128-gcm@openssh.com", "aes128-ctr", "aes256-ctr", "aes192-ctr",
        "chacha20-poly1305@openssh.com",
    ]
    static let macs = [
        "hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512",
    ]
    static let hostKeys = [
        "ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "rsa-sha2-512",
        "rsa-sha2-256",
    ]

    /// One algorithm for each kind of host key the library can use.
    static var scanned: [String] {
        let there = available[LIBSSH2_METHOD_HOSTKEY] ?? []
        return hostKeys.filter { there.contains($0) && $0 != "rsa-sha2-256" }
    }

    /// Host key algorithms with the known types first, so that the key that is compared is one that is known.
    ///
    /// The others follow: a host that lost its known key is then reported with the key it offers, not as "no common
    /// algorithm".
    static func hostKeyOrder(known types: [String]) -> [String] {
        let known = types.flatMap(algorithms).filter(hostKeys.contains)
        return known + hostKeys.filter { !known.contains($0) }
    }

    /// The signature algorithms of a key type; only RSA has others than its own name (RFC 8332).
    static func algorithms(ofKeyType type: String) -> [String] {
        type == "ssh-rsa" ? ["rsa-sha2-512", "rsa-sha2-256"] : [type]
    }

    /// Sets all preferences of a session before its handshake.
    static func apply(to session: SessionHandle, hostKeys order: [String]) throws(LibraryFailure) {
        let wanted = [
            (LIBSSH2_METHOD_KEX, keyExchange + keyExchangeSigns), (LIBSSH2_METHOD_HOSTKEY, order),
            (LIBSSH2_METHOD_CRYPT_CS, ciphers),
            (LIBSSH2_METHOD_CRYPT_SC, ciphers), (LIBSSH2_METHOD_MAC_CS, macs), (LIBSSH2_METHOD_MAC_SC, macs),
        ]
        for (method, names) in wanted {
            let there = available[method] ?? []
            try session.prefer(method, names.filter(there.contains))
        }
    }

    /// What the loaded library supports, asked once: it is the same for every session.
    private static let available: [Int32: Set<String>] = {
        guard let session = SessionHandle() else { return [:] }
        let methods = [
            LIBSSH2_METHOD_KEX, LIBSSH2_METHOD_HOSTKEY, LIBSSH2_METHOD_CRYPT_CS, LIBSSH2_METHOD_CRYPT_SC,
            LIBSSH2_METHOD_MAC_CS, LIBSSH2_METHOD_MAC_SC,
        ]
        return Dictionary(uniqueKeysWithValues: methods.map { ($0, Set(session.supported($0))) })
    }()
}
