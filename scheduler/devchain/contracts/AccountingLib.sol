// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {pay} from "./Payments.sol";

/// The one function of the alarm clock's AccountingLib that FutureBlockCall and CallLib v0.7 use.
library AccountingLib {
    function sendRobust(address payable recipient, uint256 amount) external returns (bool) {
        return pay(recipient, amount);
    }
}
