/// The runbooks of this folder as they were when the program was built: one binary on a bare host is enough.
package enum ShippedRunbooks {
    /// File contents by runbook name.
    package static let all: [String: [UInt8]] = [
        "etcd-maintenance": PackageResources.etcd_maintenance_yaml,
        "etcd-member-remove": PackageResources.etcd_member_remove_yaml,
        "etcd-member-replace": PackageResources.etcd_member_replace_yaml,
        "etcd-restore": PackageResources.etcd_restore_yaml,
        "nightly-backup": PackageResources.nightly_backup_yaml,
        "preflight": PackageResources.preflight_yaml,
        "rolling-upgrade": PackageResources.rolling_upgrade_yaml,
    ]
}
