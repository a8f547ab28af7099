// How settings that plans keep are written: plain words, and durations as whole milliseconds. The forms are permanent;
// RunEngine's Format.md lists them.

extension Become: Codable {
    private enum Field: String, CodingKey { case kind, file }
    private enum Kind: String, Codable { case none, sudo, sudoWithPassword }

    package init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: Field.self)
        switch try fields.decode(Kind.self, forKey: .kind) {
        case .none: self = .no
        case .sudo: self = .sudo
        case .sudoWithPassword: self = .sudoWithPassword(file: try fields.decode(String.self, forKey: .file))
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: Field.self)
        switch self {
        case .no: try fields.encode(Kind.none, forKey: .kind)
        case .sudo: try fields.encode(Kind.sudo, forKey: .kind)
        case .sudoWithPassword(let file):
            try fields.encode(Kind.sudoWithPassword, forKey: .kind)
            try fields.encode(file, forKey: .file)
        }
    }
}

extension SSHIdentity: Codable {
    private enum Field: String, CodingKey { case kind, path, passphraseFile }
    private enum Kind: String, Codable { case file, agent }

    package init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: Field.self)
        switch try fields.decode(Kind.self, forKey: .kind) {
        case .agent: self = .agent
        case .file:
            self = .file(
                path: try fields.decode(String.self, forKey: .path),
                passphraseFile: try fields.decodeIfPresent(String.self, forKey: .passphraseFile)
            )
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: Field.self)
        switch self {
        case .agent: try fields.encode(Kind.agent, forKey: .kind)
        case .file(let path, let passphraseFile):
            try fields.encode(Kind.file, forKey: .kind)
            try fields.encode(path, forKey: .path)
            try fields.encodeIfPresent(passphraseFile, forKey: .passphraseFile)
        }
    }
}

extension SSHSettings: Codable {
    private enum Field: String, CodingKey {
        case address, port, user, identities, knownHosts, hostKeyAlias, jump, become, connectTimeoutMs
    }

    package init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: Field.self)
        self.init(
            address: try fields.decode(String.self, forKey: .address),
            port: try fields.decode(Int.self, forKey: .port),
            user: try fields.decode(String.self, forKey: .user),
            identities: try fields.decode([SSHIdentity].self, forKey: .identities),
            knownHosts: try fields.decode([String].self, forKey: .knownHosts),
            hostKeyAlias: try fields.decodeIfPresent(String.self, forKey: .hostKeyAlias),
            jump: try fields.decode([JumpHop].self, forKey: .jump),
            become: try fields.decode(Become.self, forKey: .become),
            connectTimeout: .milliseconds(try fields.decode(Int64.self, forKey: .connectTimeoutMs))
        )
    }

    package func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: Field.self)
        try fields.encode(address, forKey: .address)
        try fields.encode(port, forKey: .port)
        try fields.encode(user, forKey: .user)
        try fields.encode(identities, forKey: .identities)
        try fields.encode(knownHosts, forKey: .knownHosts)
        try fields.encodeIfPresent(hostKeyAlias, forKey: .hostKeyAlias)
        try fields.encode(jump, forKey: .jump)
        try fields.encode(become, forKey: .become)
        try fields.encode(connectTimeout.milliseconds, forKey: .connectTimeoutMs)
    }
}

/// Plans of today hold no ping URL (``Cluster/asPlanned``); those of earlier programs may, and are written again as read.
extension BackupPolicy: Codable {
    private enum Field: String, CodingKey {
        case snapshotFrom, encryption, recipients, recipientsFile, whenDegraded, retention, metricsFile
        case pingURL, intervalMs
    }

    package init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: Field.self)
        self.init()
        snapshotFrom = try fields.decode(SnapshotSource.self, forKey: .snapshotFrom)
        encryption = try fields.decode(Encryption.self, forKey: .encryption)
        recipients = try fields.decode([String].self, forKey: .recipients)
        recipientsFile = try fields.decodeIfPresent(String.self, forKey: .recipientsFile)
        whenDegraded = try fields.decode(WhenDegraded.self, forKey: .whenDegraded)
        retention = try fields.decode(RetentionPolicy.self, forKey: .retention)
        metricsFile = try fields.decodeIfPresent(String.self, forKey: .metricsFile)
        pingURL = try fields.decodeIfPresent(String.self, forKey: .pingURL)
        interval = .milliseconds(try fields.decode(Int64.self, forKey: .intervalMs))
    }

    package func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: Field.self)
        try fields.encode(snapshotFrom, forKey: .snapshotFrom)
        try fields.encode(encryption, forKey: .encryption)
        try fields.encode(recipients, forKey: .recipients)
        try fields.encodeIfPresent(recipientsFile, forKey: .recipientsFile)
        try fields.encode(whenDegraded, forKey: .whenDegraded)
        try fields.encode(retention, forKey: .retention)
        try fields.encodeIfPresent(metricsFile, forKey: .metricsFile)
        try fields.encodeIfPresent(pingURL, forKey: .pingURL)
        try fields.encode(interval.milliseconds, forKey: .intervalMs)
    }
}
