import ClusterModel
import struct EtcdSnapshot.RegistryPath

/// Values of Secrets leave a backup only by a restore.
///
/// A key is judged before anything is read, a value by the kind it names, so that no other prefix gets around the rule.
struct SecretRule {
    /// Where objects are kept, with a slash at its end.
    let prefix: String

    func check(key: String) throws(OperatorMessage) {
        let parts = key.split(separator: "/", omittingEmptySubsequences: false)
        let path = RegistryPath(key: Array(key.utf8), prefix: prefix)
        // The second place is that of the resource under any prefix of one part.
        guard path?.resource == "secrets" || (parts.count > 2 && parts[0].isEmpty && parts[2] == "secrets") else {
            return
        }
        throw refusal(key)
    }

    func check(_ value: ExtractedValue) throws(OperatorMessage) {
        let kind = value.kind?.lowercased() ?? ""
        guard kind == "secret" || kind == "secretlist" else { return }
        throw refusal(value.key)
    }

    private func refusal(_ key: String) -> OperatorMessage {
        OperatorMessage(
            .refused,
            at: key,
            "this is a Secret, and values of Secrets are never printed or stored as plain files",
            state: "Nothing was printed",
            next: "restore the backup into a scratch etcd and read it there"
        )
    }
}
