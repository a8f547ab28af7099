/// What the known hosts say about a key that a server offers.
package enum HostKeyVerdict: Sendable, Hashable {
    case trusted
    /// Nothing is known about the host; `offered` reads `ssh-ed25519 SHA256:…`.
    case unknown(offered: String)
    /// Keys are known for the host and the offered one is not among them.
    case changed(known: [String], offered: String)
    /// The offered key is marked `@revoked`, wherever else it may be listed.
    case revoked(offered: String)
}

/// Decides whether a server is the host it is taken for.
package protocol HostKeyPolicy: Sendable {
    /// Key types known for the host, preferred first, in OpenSSH names ("ssh-ed25519", "ecdsa-sha2-nistp256", …);
    /// set before the handshake.
    func knownKeyTypes(forHost name: String, port: Int) -> [String]

    /// The verdict on `key`, the raw public key blob that the server proved to hold.
    func verdict(forHost name: String, port: Int, keyType: String, key: [UInt8]) -> HostKeyVerdict
}
