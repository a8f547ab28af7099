import RemoteShell

/// The two questions asked of an SSH agent, and its answers: draft-ietf-sshm-ssh-agent, sections 3.5 and 3.6.
enum AgentMessage {
    struct Identity: Sendable, Hashable {
        let publicKey: [UInt8]
        let comment: String
    }

    private static let requestIdentities: UInt8 = 11
    private static let identitiesAnswer: UInt8 = 12
    private static let signRequestType: UInt8 = 13
    private static let signResponse: UInt8 = 14
    private static let sha256Flag = 2
    private static let sha512Flag = 4

    static let listRequest = [requestIdentities]

    static func signRequest(_ data: [UInt8], with publicKey: [UInt8]) -> [UInt8] {
        var writer = WireWriter()
        writer.byte(signRequestType)
        writer.string(publicKey)
        writer.string(data)
        writer.uint32(flags(for: data))
        return writer.bytes
    }

    /// The flags that make an RSA key sign with the algorithm named in the login request that is to be signed.
    ///
    /// The request is laid out in RFC 4252 section 7.
    static func flags(for data: [UInt8]) -> Int {
        var reader = WireReader(data)
        guard reader.string() != nil, reader.byte() != nil, reader.string() != nil, reader.string() != nil,
            reader.string() != nil, reader.byte() != nil, let algorithm = reader.string()
        else { return 0 }
        switch String(decoding: algorithm, as: UTF8.self) {
        case "rsa-sha2-256": return sha256Flag
        case "rsa-sha2-512": return sha512Flag
        default: return 0
        }
    }

    static func identities(in answer: [UInt8]) throws(LinkFault) -> [Identity] {
        var reader = WireReader(answer)
        guard reader.byte() == identitiesAnswer, let count = reader.uint32(), count <= 1024 else { throw unusable }
        var identities: [Identity] = []
        for _ in 0..<count {
            guard let key = reader.string(), let comment = reader.string() else { throw unusable }
            identities.append(Identity(publicKey: key, comment: String(decoding: comment, as: UTF8.self)))
        }
        return identities
    }

    /// The signature proper: libssh2 puts the algorithm's name before it itself.
    static func signature(in answer: [UInt8]) throws(LinkFault) -> [UInt8] {
        var reader = WireReader(answer)
        guard reader.byte() == signResponse, let blob = reader.string() else { throw unusable }
        var inner = WireReader(blob)
        guard inner.string() != nil, let signature = inner.string() else { throw unusable }
        return signature
    }

    private static let unusable = LinkFault(
        .authenticationFailed,
        "the SSH agent gave no usable answer",
        next: "ssh-add -l shows whether it works"
    )
}
