/// Everything that reads bytes which somebody else wrote: people, hosts, other programs, or a damaged disk.
///
/// `make fuzz` feeds them with libFuzzer, and the unit tests with the corpus it left behind (Fuzz/README.md).
package enum FuzzedParser: String, CaseIterable, Sendable {
    case ansible
    case etcdSnapshot = "etcd-snapshot"
    case etcdctl
    case facts
    case frame
    case inventory
    case journal
    case knownHosts = "known-hosts"
    case manifest
    case operation
    case plan
    case probes
    case runbook
    case sshConfiguration = "ssh-configuration"
    case tar

    /// Parses the bytes, whatever they are, and uses what came of it.
    ///
    /// Ends with a trap where the parser traps, and where it breaks a promise that can be checked on any input.
    package func feed(_ bytes: [UInt8]) {
        switch self {
        case .ansible: feedAnsible(bytes)
        case .etcdSnapshot: feedSnapshot(bytes)
        case .etcdctl: feedEtcdctl(bytes)
        case .facts: feedFact(bytes)
        case .frame: feedFrame(bytes)
        case .inventory: feedInventory(bytes)
        case .journal: feedJournal(bytes)
        case .knownHosts: feedKnownHosts(bytes)
        case .manifest: feedManifest(bytes)
        case .operation: feedOperation(bytes)
        case .plan: feedPlan(bytes)
        case .probes: feedProbes(bytes)
        case .runbook: feedRunbook(bytes)
        case .sshConfiguration: feedSSHConfiguration(bytes)
        case .tar: feedTar(bytes)
        }
    }
}
