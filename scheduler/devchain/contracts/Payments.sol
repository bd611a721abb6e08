// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

// Gas for the second attempt to pay somebody, at most; the original library's figure.
uint256 constant PAYMENT_GAS = 100000;

/// Sends `amount` wei: with the stipend alone first, then with gas for the recipient's own code.
/// Says whether the money went; never reverts.
function pay(address payable recipient, uint256 amount) returns (bool paid) {
    if (amount == 0) return true;
    (paid,) = recipient.call{value: amount, gas: 0}("");
    if (paid) return true;
    uint256 available = gasleft();
    uint256 allowance = available < PAYMENT_GAS ? available : PAYMENT_GAS;
    (paid,) = recipient.call{value: amount, gas: allowance}("");
}
